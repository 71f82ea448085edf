import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Environment } from '../../src/config/read-settings.js';
import { createDatabase, createClinic, query } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { CHILDREN, PrismaApplication } from '../migrations/engine-application.js';

const GUARD = path.resolve('dist/prisma.js');

/** An application that adopted the guard as docs/guard.md describes. */
function guardedApplication(url: string | undefined): PrismaApplication {
  const application = new PrismaApplication(url);
  application.write(
    'prisma.config.ts',
    `import { defineConfig } from 'prisma/config';
     import { guardedConfig, useSchemaEngine } from '${GUARD}';
     const url: string | undefined = process.env.DATABASE_URL;
     export default await guardedConfig(defineConfig({
       schema: 'prisma/schema.prisma',
       migrations: { path: 'prisma/migrations', seed: 'node seed.mjs' },
       datasource: { url: useSchemaEngine(url), shadowDatabaseUrl: process.env.SHADOW_DATABASE_URL },
     }));`,
  );
  application.write('seed.mjs', `import { writeFileSync } from 'node:fs'; writeFileSync('seeded', '');`);
  application.writeSchema(CHILDREN.replace('model Child', 'model Newcomer'));
  return application;
}

/** The state that must be the same before and after. */
async function state(url: string): Promise<unknown> {
  const { rows } = await query(
    url,
    `SELECT (SELECT json_agg(c.relname ORDER BY c.oid) FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'pgkeep')) AS objects,
            (SELECT count(*) FROM public.users) AS users, (SELECT count(*) FROM pgkeep.change_log) AS actions`,
  );
  return rows[0];
}

describe('a bare `prisma` on a production database', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let application: PrismaApplication;
  let where: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
    const settings = { DATABASE_URL: url };
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect((await runCli(['stamp', 'production'], settings)).code).toBe(0);
    application = guardedApplication(url);
    application.write('drop.sql', 'SELECT 1;\n\n-- gone\nDROP TABLE users CASCADE;\n');
    application.write(
      'delete.sql',
      'WITH gone AS (DELETE FROM users RETURNING *) SELECT count(*) FROM gone;',
    );
    application.write('look.sql', 'SELECT count(*) FROM users; CREATE TABLE IF NOT EXISTS looked ();');
    where = new URL(url).host;
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });

  /** As in a shell without NODE_ENV; Jest sets it to test. */
  const run = async (command: string, env: Environment = {}, of = application) =>
    await of.prisma(command, { NODE_ENV: undefined, ...env });

  const STAMPED = 'is stamped production (NODE_ENV is development)';
  const refused = (command: string, fault: string, remedy: string) =>
    `Refused to run \`prisma ${command}\`: database "clinic" (${where}) ${fault}. Nothing was touched.\n${remedy}\n`;

  it.each([
    [
      'db push',
      'db push',
      '',
      'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.',
    ],
    [
      'db push --accept-data-loss',
      'db push',
      '',
      'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.',
    ],
    [
      'db push --force-reset',
      'db push',
      '',
      'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.',
    ],
    [
      'db push unexpected --help',
      'db push',
      '',
      'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.',
    ],
    [
      'migrate reset --force',
      'migrate reset',
      '',
      'Production is never reset. To go back to an earlier state, restore a backup: `pgkeep restore --list`.',
    ],
    [
      'migrate dev --name x',
      'migrate dev',
      '',
      'Write the migration on a development database, then apply it here: `pgkeep migrate deploy`.',
    ],
    [
      'db seed',
      'db seed',
      '',
      'Seed only development and test databases. Add rows that production needs with a migration: `pgkeep migrate deploy`.',
    ],
    [
      'studio --port 5999 --browser none',
      'studio',
      '',
      'Open Studio on a development database, or on a restored copy with its own stamp.',
    ],
    [
      'db execute --file drop.sql',
      'db execute',
      ', and line 4 of the script is DROP TABLE',
      'Put the statements into a migration, which is reviewed, backed up and recorded: `pgkeep migrate deploy`.',
    ],
    [
      'db execute --file delete.sql',
      'db execute',
      ', and line 1 of the script is DELETE without WHERE',
      'Put the statements into a migration, which is reviewed, backed up and recorded: `pgkeep migrate deploy`.',
    ],
    [
      'db execute --stdin',
      'db execute',
      ', and a script from stdin cannot be checked in advance',
      'Put the statements into a migration, which is reviewed, backed up and recorded: `pgkeep migrate deploy`.',
    ],
  ])('refuses `%s` and touches nothing', async (command, name, more, remedy) => {
    const before = await state(url);
    const { output, exitCode } = await run(command, { PRISMA_DB_PUSH_ALLOWED: 'true' });
    expect(output).toBe(refused(name, STAMPED + more, remedy));
    expect(exitCode).toBe(3);
    expect(await state(url)).toEqual(before);
  });

  it.each([
    'migrate status',
    'db pull --print',
    'db execute --file look.sql',
    'generate',
    'validate',
    'version',
    'db push --help',
  ])('allows `%s`', async (command) => {
    const { output } = await run(command);
    expect(output).not.toContain('Refused');
    expect(output).not.toContain('Failed to load config');
  });

  it('applies migrations', async () => {
    const deployed = guardedApplication(url);
    deployed.write('prisma/migrations/20300101000000_more/migration.sql', 'CREATE TABLE more ();');
    const { output, exitCode } = await run('migrate deploy', {}, deployed);
    deployed.remove();
    expect(output).toContain('20300101000000_more');
    expect(exitCode).toBe(0);
    expect((await query(url, 'SELECT count(*)::int AS count FROM more')).rows).toEqual([{ count: 0 }]);
  });

  it('recognises the database whatever name it is reached by', async () => {
    const before = await state(url);
    const elsewhere = url.replace('127.0.0.1', 'localhost');
    const other = await run('migrate reset --force', { DATABASE_URL: elsewhere });
    expect(other.output).toContain(`database "clinic" (localhost:${new URL(url).port}) ${STAMPED}`);
    expect(other.exitCode).toBe(3);
    // The configuration names a development database, the command line production.
    const development = await createDatabase(own, 'development');
    const { output, exitCode } = await run(`db push --url ${url}`, {
      DATABASE_URL: development,
    });
    expect(output).toContain(`database "clinic" (${where}) ${STAMPED}`);
    expect(exitCode).toBe(3);
    expect(await state(url)).toEqual(before);
  });

  it('refuses production as a shadow database', async () => {
    const before = await state(url);
    const development = await createDatabase(own, 'with_shadow');
    const { output, exitCode } = await run('migrate dev --name x', {
      DATABASE_URL: development,
      SHADOW_DATABASE_URL: url,
    });
    expect(output).toBe(
      `Refused to run \`prisma migrate dev\`: database "clinic" (${where}) would be emptied as the shadow database, and is stamped production. Nothing was touched.\n` +
        'Set shadowDatabaseUrl to a separate, empty database, or omit it.\n',
    );
    expect(exitCode).toBe(3);
    expect(await state(url)).toEqual(before);
  });

  it('records an override once, although two guards check it', async () => {
    const callers = async (): Promise<unknown[]> =>
      (
        await query(
          url,
          `SELECT details->>'via' AS via FROM pgkeep.change_log WHERE action = 'guard-override' ORDER BY seq`,
        )
      ).rows.map(({ via }: { via: unknown }) => via);
    application.write('none.sql', 'DROP TABLE IF EXISTS never_was;');
    const environment = {
      DATABASE_URL: url,
      PGKEEP_GUARD_OVERRIDE: 'I MEAN IT: db execute on clinic',
      CHECKPOINT_DISABLE: '1',
      HOME: emptyDirectory(),
    };
    const argv = ['prisma', 'db', 'execute', '--file', 'none.sql'];
    const launched = await runCli(argv, environment, { cwd: application.directory });
    expect(launched).toMatchObject({ code: 0 });
    expect(await callers()).toEqual(['pgkeep prisma']);
    // Another command, by hand: another entry.
    const { PGKEEP_GUARD_OVERRIDE } = environment;
    expect((await run('db execute --file none.sql', { PGKEEP_GUARD_OVERRIDE })).exitCode).toBe(0);
    expect(await callers()).toEqual(['pgkeep prisma', 'prisma.config.ts']);
  });

  it('allows everything on a development database, stamped or not', async () => {
    const development = await createDatabase(own, 'free');
    const pushed = await run('db push', { DATABASE_URL: development });
    expect(pushed.output).toContain('Your database is now in sync with your Prisma schema.');
    expect(pushed.exitCode).toBe(0);
    expect((await runCli(['install'], { DATABASE_URL: development })).code).toBe(0);
    expect((await runCli(['stamp', 'development'], { DATABASE_URL: development })).code).toBe(0);
    expect((await run('db push --force-reset', { DATABASE_URL: development })).exitCode).toBe(0);
    const seeded = await run('db seed', { DATABASE_URL: development });
    expect(seeded.exitCode).toBe(0);
    expect(readFileSync(path.join(application.directory, 'seeded'), 'utf8')).toBe('');
  });

  it('hides the password', async () => {
    const { output } = await run('db push');
    const { password } = new URL(url);
    expect(password.length).toBeGreaterThan(5);
    expect(output).not.toContain(password);
  });
});
