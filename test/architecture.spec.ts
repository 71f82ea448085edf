import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

/** The modules and their layers (docs/architecture.md): a module imports only modules of a lower layer. */
const LAYERS: Readonly<Record<string, number>> = {
  // What every module may use: errors, clock, logger, child processes, text.
  core: 0,
  config: 1,
  postgres: 2,
  storage: 2,
  cluster: 2,
  notifiers: 2,
  migrations: 3,
  stats: 3,
  'audit-log': 3,
  jobs: 3,
  'prisma-schema': 3,
  environment: 4,
  access: 4,
  guard: 5,
  policy: 6,
  install: 6,
  backup: 6,
  drift: 6,
  privacy: 7,
  restore: 8,
  retention: 8,
  deploy: 8,
  readiness: 9,
  maintenance: 10,
  monitoring: 10,
  alerts: 11,
  doctor: 11,
  'assemble.ts': 11,
  metrics: 12,
  overview: 12,
  'pgkeep.module.ts': 13,
  http: 14,
  cli: 14,
  scheduler: 14,
  client: 14,
  dashboard: 15,
  service: 16,
};

/** Files above every module. */
const ABOVE = new Set(['main.ts', 'cli.ts', 'index.ts', 'prisma.ts', 'client.ts', 'schema-engine.ts']);

const SOURCE = path.resolve('src');
const PACKAGES = path.resolve('packages');

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
  .toSorted();

function moduleOf(file: string): string {
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
  importsOf(file).map((target) => ({ file, from: moduleOf(file), to: moduleOf(target) })),
);

/** The sources of packages/, by their path below it. */
const packaged = readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' })
  .filter((file) => /^[^/]+\/src\/.*\.ts$/.test(file))
  .toSorted();

/** Every module that a file of packages/ names. */
function specifiersOf(file: string): string[] {
  const text = readFileSync(path.join(PACKAGES, file), 'utf8');
  return [...text.matchAll(/(?<!')\b(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, specifier = '']) => specifier,
  );
}

describe('the architecture', () => {
  it('gives every module a layer', () => {
    const modules = new Set(files.map(moduleOf));
    expect([...modules].filter((module) => !(module in LAYERS) && !ABOVE.has(module))).toEqual([]);
    expect(Object.keys(LAYERS).filter((module) => !modules.has(module))).toEqual([]);
  });

  it('has every module with its layer in docs/architecture.md', () => {
    const page = readFileSync('docs/architecture.md', 'utf8');
    const rows = [...page.matchAll(/^\| (\d+) +\| ((?:`[^`]+`(?:, )?)+)/gm)];
    const documented = rows.flatMap(([, layer, modules = '']) =>
      [...modules.matchAll(/`([^`/]+)\/?`/g)].map(([, name = '']) => [name, Number(layer)] as const),
    );
    expect(Object.fromEntries(documented)).toEqual(LAYERS);
  });

  it('imports only modules of a lower layer', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (from === to || ABOVE.has(from) || to === 'generated') return false;
      return (LAYERS[from] ?? Infinity) <= (LAYERS[to] ?? Infinity);
    });
    expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
  });

  it('imports the generated client only in postgres/', () => {
    expect(imports.filter(({ from, to }) => to === 'generated' && from !== 'postgres')).toEqual([]);
  });

  it('reads the process environment only in config/, and in the executable of Prisma’s engine', () => {
    const readers = files.filter(
      (file) =>
        !['config', 'schema-engine.ts'].includes(moduleOf(file)) && /process\.env\b/.test(codeOf(file)),
    );
    expect(readers).toEqual([]);
  });

  it('reads the clock only in core/clock.ts', () => {
    const readers = files.filter(
      (file) => file !== path.join('core', 'clock.ts') && /new Date\(\)/.test(codeOf(file)),
    );
    expect(readers).toEqual([]);
  });

  it('has no file over 350 lines, no barrel but index.ts, no forwardRef', () => {
    const all = [
      ...files.map((file) => path.join(SOURCE, file)),
      ...packaged.map((file) => path.join(PACKAGES, file)),
    ];
    const texts = all.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
    expect(texts.filter(({ text }) => text.split('\n').length > 350).map(({ file }) => file)).toEqual([]);
    expect(files.filter((file) => path.basename(file) === 'index.ts')).toEqual(['index.ts']);
    expect(texts.filter(({ text }) => text.includes('forwardRef')).map(({ file }) => file)).toEqual([]);
  });

  it('allows packages/ to import their dependencies and nothing of pgkeep', () => {
    const wrong = packaged.flatMap((file) => {
      const [name = ''] = file.split(path.sep);
      const manifest: { dependencies: Record<string, string> } = JSON.parse(
        readFileSync(path.join(PACKAGES, name, 'package.json'), 'utf8'),
      );
      return specifiersOf(file)
        .filter((specifier) => {
          if (specifier.startsWith('node:')) return false;
          if (specifier.startsWith('.')) {
            return !path.join(path.dirname(file), specifier).startsWith(path.join(name, 'src'));
          }
          const parts = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1);
          return !(parts.join('/') in manifest.dependencies);
        })
        .map((specifier) => `${file} imports ${specifier}`);
    });
    expect(packaged.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });
});
