import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

/** The modules and their layers (docs/architecture.md): a module imports only modules of a lower layer. */
const RANKS: Readonly<Record<string, number>> = {
  // What every module may use, and uses none.
  core: -1,
  'errors.ts': 0,
  'logger.ts': 0,
  config: 0,
  clock: 1,
  process: 0.5,
  retention: 4,
  database: 1,
  storage: 1,
  migrations: 2,
  environment: 2,
  stats: 2,
  changelog: 2,
  jobs: 2,
  catalogue: 2,
  cluster: 2,
  install: 3,
  // Decides on the stamp and records in the change log (both 2), for the doors and for `pgkeep/prisma`.
  guard: 3,
  backup: 3,
  drift: 3,
  restore: 4,
  deploy: 4,
  readiness: 5,
  upkeep: 6,
  'pgkeep.module.ts': 7,
  http: 8,
  cli: 8,
  schedule: 8,
  service: 9,
};

/** Files that stand above every room. */
const ABOVE = new Set(['main.ts', 'cli.ts', 'index.ts', 'prisma.ts', 'schema-engine.ts']);

const SOURCE = path.resolve('src');

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
  .toSorted();

function roomOf(file: string): string {
  return file.split(path.sep)[0] ?? file;
}

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(SOURCE, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, specifier = '']) =>
    path.join(path.dirname(file), specifier).replace(/\.js$/, '.ts'),
  );
}

/** A file without its comments. */
function codeOf(file: string): string {
  return readFileSync(path.join(SOURCE, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

const imports: Import[] = files.flatMap((file) =>
  importsOf(file).map((target) => ({ file, from: roomOf(file), to: roomOf(target) })),
);

describe('the house', () => {
  it('has a rank for every room', () => {
    const rooms = new Set(files.map(roomOf));
    expect([...rooms].filter((room) => !(room in RANKS) && !ABOVE.has(room))).toEqual([]);
    expect(Object.keys(RANKS).filter((room) => !rooms.has(room))).toEqual([]);
  });

  it('lets arrows point only to lower ranks', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (from === to || ABOVE.has(from) || to === 'generated') return false;
      // Config and errors are both the ground; config knows the error class.
      if (from === 'config' && to === 'errors.ts') return false;
      return (RANKS[from] ?? Infinity) <= (RANKS[to] ?? Infinity);
    });
    expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
  });

  it('keeps the generated client behind database/', () => {
    expect(imports.filter(({ from, to }) => to === 'generated' && from !== 'database')).toEqual([]);
  });

  it('reads the process environment only in config/, and in the executable that speaks for Prisma’s engine', () => {
    const readers = files.filter(
      (file) => !['config', 'schema-engine.ts'].includes(roomOf(file)) && /process\.env\b/.test(codeOf(file)),
    );
    expect(readers).toEqual([]);
  });

  it('reads the clock only in clock/, but for deadlines that count from now', () => {
    const readers = files.filter((file) => roomOf(file) !== 'clock' && /new Date\(\)/.test(codeOf(file)));
    expect(readers).toEqual([]);
  });

  it('has no file over 350 lines, no barrel but index.ts, no forwardRef', () => {
    const texts = files.map((file) => ({ file, text: readFileSync(path.join(SOURCE, file), 'utf8') }));
    expect(texts.filter(({ text }) => text.split('\n').length > 350).map(({ file }) => file)).toEqual([]);
    expect(files.filter((file) => path.basename(file) === 'index.ts')).toEqual(['index.ts']);
    expect(texts.filter(({ text }) => text.includes('forwardRef')).map(({ file }) => file)).toEqual([]);
  });
});
