import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { readSettings } from '../../src/config/read-settings.js';
import { redactSecrets } from '../../src/config/redact-secrets.js';
import type { Settings } from '../../src/config/settings.js';
import { PgkeepError } from '../../src/core/errors.js';
import { nearestPrismaConfig, prismaConfigIn } from '../../src/migrations/prisma-config/find-prisma.js';
import { findPrismaSchema } from '../../src/migrations/prisma-config/find-prisma-schema.js';
import {
  type ProjectOptions,
  withPrismaProject,
} from '../../src/migrations/prisma-config/with-prisma-project.js';
import { emptyDirectory } from '../support/pgkeep-process.js';
import { until } from '../support/until.js';

// Each configuration is evaluated by a separate process.
jest.setTimeout(60_000);

const ENVIRONMENT = {
  PATH: process.env['PATH'],
  DATABASE_URL: 'postgresql://app:hunter%232@db.example:5432/app',
  SMTP_TOKEN: 'token-of-the-mail-server',
};

describe('the application’s Prisma project', () => {
  let directory: string;
  const write = (file: string, text = ''): void => {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  };
  const read = async (options: ProjectOptions = {}, environment = {}): Promise<Settings> => {
    const own = { ...ENVIRONMENT, ...environment };
    return await withPrismaProject(readSettings(own, directory), own, {
      workingDirectory: directory,
      ...options,
    });
  };
  const errorOf = async (options: ProjectOptions = {}): Promise<string> => {
    const error: unknown = await read(options).catch((thrown: unknown) => thrown);
    if (!(error instanceof PgkeepError)) throw new Error('expected a PgkeepError');
    return `${error.code}: ${error.message}\n${error.hint}`.replaceAll(directory, 'APP');
  };

  beforeEach(() => {
    directory = emptyDirectory();
    symlinkSync(path.resolve('node_modules'), path.join(directory, 'node_modules'));
    write('package.json', '{}');
  });

  it('is read by evaluating the configuration', async () => {
    write(
      'prisma.config.ts',
      `import path from 'node:path';
       import { defineConfig, env } from 'prisma/config';
       console.log('noise on stdout');
       const folder: string = \`\${import.meta.dirname}/db\`;
       export default defineConfig({
         experimental: { externalTables: true },
         schema: path.join(folder, 'schema'),
         migrations: { path: 'db/history', initShadowDb: 'CREATE TABLE ledger ();' },
         tables: { external: ['public.ledger'] },
         enums: { external: ['public.currency'] },
         datasource: { url: env('DATABASE_URL'), shadowDatabaseUrl: 'postgresql://shadow/db' },
       });`,
    );
    write('db/schema/main.prisma');
    write('db/schema/models/crate.prisma');
    symlinkSync(path.join(directory, 'db/schema/models'), path.join(directory, 'db/schema/linked'));
    const settings = await read();
    expect(settings.migrationsDirectory).toBe(path.join(directory, 'db/history'));
    expect(settings.prisma).toEqual({
      kind: 'configured',
      configuration: {
        file: path.join(directory, 'prisma.config.ts'),
        schema: path.join(directory, 'db/schema'),
        migrations: path.join(directory, 'db/history'),
        initShadowDb: 'CREATE TABLE ledger ();',
        externalTables: ['public.ledger'],
        externalEnums: ['public.currency'],
        url: ENVIRONMENT.DATABASE_URL,
        shadowUrl: 'postgresql://shadow/db',
      },
    });
    expect(await findPrismaSchema(settings)).toEqual({
      kind: 'found',
      // The link leads to the same files: each is read once, as Prisma does.
      files: ['db/schema/linked/crate.prisma', 'db/schema/main.prisma'].map((file) =>
        path.join(directory, file),
      ),
    });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it.each([
    ['prisma.config.mjs', 'export default { schema: "db" };'],
    ['prisma.config.cjs', 'module.exports = { schema: "db" };'],
    ['prisma.config.js', 'module.exports = { schema: "db" };'],
    ['prisma.config.mts', 'const schema: string = "db"; export default { schema };'],
    ['.config/prisma.ts', 'export default { schema: "../db" };'],
    ['named.ts', 'export default { schema: await Promise.resolve("db") };'],
  ])('is read from %s', async (file, text) => {
    mkdirSync(path.join(directory, 'db'));
    write(file, text);
    const settings = await read(file === 'named.ts' ? { configFile: file } : {});
    expect(settings.prisma).toMatchObject({ configuration: { schema: path.join(directory, 'db') } });
    expect(settings.migrationsDirectory).toBe(path.join(directory, 'db/migrations'));
  });

  it('is read without running the configuration’s guard', async () => {
    write(
      'prisma.config.mjs',
      `import { guardedConfig } from ${JSON.stringify(path.resolve('dist/prisma.js'))};
       export default await guardedConfig({ schema: 'db', datasource: { url: 'postgresql://pgkeep@127.0.0.1:1/none' } });`,
    );
    expect(await read()).toMatchObject({ prisma: { kind: 'configured' } });
  });

  it('has Prisma’s defaults without a configuration', async () => {
    expect(await read()).toMatchObject({
      migrationsDirectory: path.join(directory, 'prisma/migrations'),
      prisma: { kind: 'no-configuration' },
    });
    expect(await findPrismaSchema(await read())).toEqual({ kind: 'absent' });
    write('prisma/schema.prisma', 'model A {\n id Int @id\n}');
    write('prisma/old.prisma');
    const files = [path.join(directory, 'prisma/schema.prisma')];
    expect(await findPrismaSchema(await read())).toEqual({ kind: 'found', files });
    write('schema.prisma');
    expect((await read()).migrationsDirectory).toBe(path.join(directory, 'migrations'));
  });

  it.each([
    [
      {
        'prisma/schema.prisma': '',
        'prisma/models/a.prisma': 'model A {\n}',
        'prisma/models/b.prisma': 'enum B {\n}',
      },
      'beside APP/prisma/schema.prisma there is models/a.prisma and 1 more with models too',
      'Name it in prisma.config.ts: `schema`, a file or the directory of the schema files.',
    ],
    [
      { 'prisma/schema.prisma': '', 'package.json': '{"prisma": {"schema": "db"}}' },
      'package.json names the schema (prisma.schema), where Prisma 7 does not look',
      'Name it in prisma.config.ts: `schema`, a file or the directory of the schema files.',
    ],
    [
      { 'prisma.config.mjs': 'export default { schema: "gone.prisma" };' },
      'APP/prisma.config.mjs names the schema APP/gone.prisma, which does not exist',
      'Correct `schema` there: a file, or the directory of the schema files.',
    ],
    [
      { 'prisma.config.mjs': 'export default { schema: "db" };', 'db/notes.txt': '' },
      'APP/prisma.config.mjs names the schema directory APP/db, which holds no .prisma file',
      'Correct `schema` there: a file, or the directory of the schema files.',
    ],
  ])('reports why the schema is unknown instead of guessing: %j', async (files, why, hint) => {
    for (const [file, text] of Object.entries(files)) write(file, text);
    const { why: found = '', ...rest } = { why: undefined, ...(await findPrismaSchema(await read())) };
    expect({ ...rest, why: found.replaceAll(directory, 'APP') }).toEqual({ kind: 'unknown', why, hint });
  });

  it.each([
    [
      `throw new Error('no access to ' + process.env.DATABASE_URL + ' by ' + process.env.SMTP_TOKEN + ', hunter#2');`,
      'no access to postgresql://app:***@db.example:5432/app by ***, ***',
    ],
    ['process.exit(7);', 'it ended with exit code 7'],
    [`export default { schema: 7 };`, expect.stringMatching(/^└─ \["schema"\] .*Expected string, actual 7/)],
    [`export default { tables: { external: ['a.b'] } };`, expect.stringContaining('loadedFromFile')],
  ])('reports why a configuration cannot be loaded: %s', async (text, cause) => {
    write('prisma.config.mjs', text);
    const [first = '', hint] = (await errorOf()).split('\n');
    const match =
      /^PRISMA_CONFIG_INVALID: Cannot load the Prisma configuration APP\/prisma\.config\.mjs: (.*)\. Nothing was changed\.$/s.exec(
        first,
      );
    expect(match?.[1]).toEqual(cause);
    expect(hint).toBe(
      'Fix it until this passes, then try again: `npx prisma validate --config APP/prisma.config.mjs`. Or do without it: MIGRATIONS_DIR=path/to/migrations.',
    );
    // If the migrations directory is known, commands that need nothing else continue.
    const named = { MIGRATIONS_DIR: path.join(directory, 'prisma/migrations') };
    expect(await read({}, named)).toMatchObject({
      migrationsDirectory: named.MIGRATIONS_DIR,
      prisma: {
        kind: 'invalid',
        why: expect.stringMatching(/^cannot load the Prisma configuration .*[^.]$/s),
      },
    });
  });

  it.each(['for (;;);', 'await new Promise(() => setInterval(() => {}, 1000));'])(
    'aborts a configuration that does not end: %s',
    async (text) => {
      const trace = path.join(directory, 'pid');
      write(
        'prisma.config.mjs',
        `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(trace)}, String(process.pid)); ${text}`,
      );
      expect(await errorOf({ deadlineMs: 3000 })).toMatch(
        /^PRISMA_CONFIG_INVALID: Cannot load the Prisma configuration APP\/prisma\.config\.mjs: it did not end within 3 seconds\. Nothing was changed\.\n/,
      );
      const pid = readFileSync(trace, 'utf8');
      await until(() => !existsSync(`/proc/${pid}`), 10_000, 'the end of the configuration');
    },
  );

  it('is not evaluated if only the directory is needed and it is set', async () => {
    write('prisma.config.mjs', 'process.exit(7);');
    const named = { MIGRATIONS_DIR: path.join(directory, 'elsewhere') };
    expect((await read({ directoryOnly: true }, named)).prisma).toEqual({ kind: 'not-evaluated' });
    await expect(read({ directoryOnly: true })).rejects.toMatchObject({ code: 'PRISMA_CONFIG_INVALID' });
  });

  it('is searched where Prisma searches, and in no other project', () => {
    expect(prismaConfigIn(directory)).toBeUndefined();
    write('app/prisma/migrations/x/migration.sql');
    write('prisma.config.ts');
    const migrations = path.join(directory, 'app/prisma/migrations');
    const elsewhere = emptyDirectory();
    expect(nearestPrismaConfig(migrations, elsewhere)?.file).toBe(path.join(directory, 'prisma.config.ts'));
    expect(nearestPrismaConfig(migrations, path.join(directory, 'app'))).toBeUndefined();
    write('app/package.json', '{}');
    expect(nearestPrismaConfig(migrations, elsewhere)).toBeUndefined();
    write('prisma7.config.ts');
    expect(prismaConfigIn(directory)?.file).toBe(path.join(directory, 'prisma7.config.ts'));
    rmSync(path.join(directory, 'prisma7.config.ts'));
    rmSync(path.join(directory, 'prisma.config.ts'));
    write('.config/prisma/index.mts');
    expect(prismaConfigIn(directory)?.file).toBe(path.join(directory, '.config/prisma/index.mts'));
  });

  it('reports a --config that does not exist', async () => {
    expect(await errorOf({ configFile: 'gone.ts' })).toBe(
      'USAGE_INVALID: There is no Prisma configuration APP/gone.ts.\nName the file: `--config path/to/prisma.config.ts`.',
    );
  });
});

describe('the output of another program', () => {
  it('is stripped of secrets of the environment and of passwords in URLs', () => {
    const environment = {
      DATABASE_URL: 'postgresql://a:p%40ss%21word@h/db',
      API_KEY: 'abcdef',
      ADMIN_API_TOKEN: 'xyz',
      NODE_ENV: 'production',
    };
    expect(
      redactSecrets(
        `p@ss!word p%40ss%21word abcdef xyz production mysql://u:other@h/x?password=third password='a b'`,
        environment,
      ),
    ).toBe('*** *** *** xyz production mysql://u:***@h/x?password=*** password=***');
  });
});
