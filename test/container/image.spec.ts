import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../src/cluster/postmaster.js';
import { PgkeepProcess } from '../support/pgkeep-process.js';

/** The instructions of the Dockerfile, continued lines joined, comments left out. */
const instructions = readFileSync('Dockerfile', 'utf8')
  .replaceAll(/^\s*#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.trim() !== '');

const lastFrom = instructions.findLastIndex((line) => line.startsWith('FROM '));
const image = instructions.slice(lastFrom);

/** The arguments of the only (or last) such instruction of the final image. */
function value(instruction: string): string {
  return image.findLast((line) => line.startsWith(`${instruction} `))?.slice(instruction.length + 1) ?? '';
}

function execForm(text: string): string[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) throw new TypeError('not in exec form');
  return parsed.map(String);
}

describe('the image', () => {
  it('runs the service as process 1 of a numbered, unprivileged user, in production', () => {
    expect(execForm(value('CMD'))).toEqual(['node', '/opt/pgkeep/dist/main.js']);
    expect(image.filter((line) => line.startsWith('ENTRYPOINT'))).toEqual([]);
    expect(value('USER')).toBe('10001:10001');
    expect(value('STOPSIGNAL')).toBe('SIGTERM');
    expect(value('WORKDIR')).toBe('/app');
    expect(image).toContain('ENV NODE_ENV=production');
  });

  it('is built from the files that .dockerignore allows, all of which exist, and from no secret', () => {
    const rules = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => line && !line.startsWith('#'));
    expect(rules[0]).toBe('*');
    const admitted = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    expect(admitted.filter((file) => !existsSync(file))).toEqual([]);
    expect(rules).toEqual(expect.arrayContaining(['secrets', '**/.env', '**/.env.*']));
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1))
      .filter((source) => source !== '.');
    expect(copied.filter((source) => !admitted.some((name) => source.split('/')[0] === name))).toEqual([]);
    expect(instructions.filter((line) => /^(ARG|ENV) .*(PASSWORD|TOKEN|SECRET|_URL)/i.test(line))).toEqual(
      [],
    );
  });

  // Debian's buildah does not support them.
  it('has no heredoc', () => {
    expect(instructions.filter((line) => /<<-?['"]?\w/.test(line))).toEqual([]);
  });
});

interface LockedPackage {
  readonly dev?: true;
  readonly optional?: true;
  readonly devOptional?: true;
}

describe('what the image omits is not needed', () => {
  const built = ['dist', 'packages/prisma-schema-engine-bridge/dist'];
  const specifiers = new Set(
    built
      .flatMap((directory) =>
        readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((file) =>
          path.join(directory, file),
        ),
      )
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) =>
        [...readFileSync(file, 'utf8').matchAll(/(?:from |import |import\()["']([^."'#][^"']*)["']/g)].map(
          ([, specifier = '']) => specifier,
        ),
      )
      .filter((specifier) => !specifier.startsWith('node:') && !builtinModules.includes(specifier)),
  );

  it('every module loads, as in the build of the image', async () => {
    const check = /node --input-type=module --eval "([^]*?)"$/m.exec(image.join('\n'))?.[1] ?? '';
    expect(check).toContain("readdirSync('/opt/pgkeep/dist'");
    const program = check.replaceAll('/opt/pgkeep', process.cwd());
    const [code]: unknown[] = await once(
      spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' }),
      'close',
    );
    expect(code).toBe(0);
  });

  it('every package that dist loads is installed without development and optional packages', () => {
    const lock: { packages: Record<string, LockedPackage | undefined> } = JSON.parse(
      readFileSync('package-lock.json', 'utf8'),
    );
    const packages = new Set([...specifiers].map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name));
    expect([...packages]).toContain('@prisma/schema-engine-wasm');
    // A hint of the doctor shows how an application imports pgkeep.
    packages.delete('pgkeep');
    const missing = [...packages].filter((name) => {
      const locked = lock.packages[`node_modules/${name}`];
      return !locked || locked.dev || locked.optional || locked.devOptional;
    });
    expect(missing).toEqual([]);
  });

  it('the query compiler that the generated client loads is kept', () => {
    const kept = /-name 'query_compiler_\*' ! -name '(query_compiler_[^*']*)\*'/.exec(
      instructions.join('\n'),
    )?.[1];
    const loaded = [...specifiers].filter((specifier) => specifier.includes('query_compiler_'));
    expect(loaded.length).toBeGreaterThan(0);
    expect(loaded.filter((specifier) => !path.basename(specifier).startsWith(kept ?? '?'))).toEqual([]);
  });
});

describe('the health check', () => {
  const [program = '', ...argv] = execForm(value('HEALTHCHECK').replace(/^.*? CMD /, ''));
  let service: PgkeepProcess;
  let port: string;

  beforeAll(async () => {
    port = String(await freePort());
    service = new PgkeepProcess('main', [], {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgresql://pgkeep@127.0.0.1:1/nowhere',
      PORT: port,
      HOST: '127.0.0.1',
    });
    await service.listening();
  });
  afterAll(() => service.kill());

  async function check(environment: Record<string, string>): Promise<unknown> {
    const command = program === 'node' ? process.execPath : program;
    const [code]: unknown[] = await once(
      spawn(command, argv, { env: environment, stdio: 'inherit' }),
      'close',
    );
    return code;
  }

  it('passes for a service whose database is down', async () => {
    expect(await check({ PORT: port })).toBe(0);
    expect(await check({ PORT: port, HOST: '127.0.0.1' })).toBe(0);
    expect(await check({ PORT: port, HOST: '0.0.0.0' })).toBe(0);
  });

  it('fails for a service that does not answer or does not run', async () => {
    service.signal('SIGSTOP');
    expect(await check({ PORT: port })).toBe(1);
    service.signal('SIGCONT');
    expect(await check({ PORT: port })).toBe(0);
    await service.kill();
    expect(await check({ PORT: port })).toBe(1);
  });
});
