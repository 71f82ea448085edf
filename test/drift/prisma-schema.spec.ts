import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// Each test evaluates configurations, in a process each.
jest.setTimeout(120_000);

const INIT = `CREATE TABLE "Crate" ("id" INTEGER NOT NULL, "mass" INTEGER NOT NULL, CONSTRAINT "Crate_pkey" PRIMARY KEY ("id"));\n`;
/** For `ready` on a busy machine. */
const PATIENT = { READINESS_TIMEOUT_MS: '30000', READINESS_REFRESH_MS: '60000' };
const DATASOURCE = 'datasource db {\n  provider = "postgresql"\n}\n';
const CRATE = 'model Crate {\n  id Int @id\n  mass Int\n}\n';

describe('the Prisma schema of a drift', () => {
  let own: ThrowAwayCluster;
  let application: DeployedApplication;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(async () => {
    databases += 1;
    application = new DeployedApplication(await createDatabase(own, `crates_${databases}`), {
      clinic: false,
    });
    write('prisma/schema.prisma', DATASOURCE);
  });

  const write = (file: string, text: string): void => {
    const target = path.join(application.directory, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  };
  const run = async (...argv: string[]) => {
    const { url, directory } = application;
    const environment = { NODE_ENV: 'test', DATABASE_URL: url, ...PATIENT };
    const answer = await runCli(argv, environment, { cwd: directory });
    const clean = (text: string): string =>
      text.replaceAll(directory, 'APP').replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME');
    return { ...answer, stdout: clean(answer.stdout), stderr: clean(answer.stderr) };
  };
  const deployed = async (): Promise<void> => {
    expect((await run('install')).code).toBe(0);
    application.add('20260101000000_init', INIT);
    expect(await run('migrate', 'deploy', '--without-backup')).toMatchObject({ code: 0 });
  };
  const NO_DRIFT = 'No drift: the structure is as the deploy of TIME UTC left it.\n\n';

  it('may be a folder that the configuration computes', async () => {
    write('prisma/models/crate.prisma', CRATE);
    write('prisma.config.ts', "export default { schema: './prisma' };");
    await deployed();
    for (const text of [
      "import path from 'node:path'; import { defineConfig } from 'prisma/config'; export default defineConfig({ schema: path.join(import.meta.dirname, 'prisma') });",
      'const folder = `${__dirname}/prisma`; /* was schema: "./prisma/schema.prisma" */ export default { schema: folder };',
    ]) {
      write('prisma.config.ts', text);
      expect(await run('migrate', 'drift')).toEqual({
        code: 0,
        stderr: '',
        stdout: `${NO_DRIFT}Prisma sees no difference between the database and prisma/models/crate.prisma and 1 more.\n`,
      });
      expect(await run('migrate', 'drift', '--sql')).toEqual({
        code: 0,
        stderr: '',
        stdout: '-- Prisma sees no difference between the database and the schema.\n',
      });
    }
  });

  it('prints no SQL for tables whose models are not found', async () => {
    await deployed();
    const HAS_NO_MODEL =
      'The Prisma schema is unknown, so nothing was compared with it: APP/prisma/schema.prisma has no model.\n' +
      'If the models are in other files, set `schema` in prisma.config.ts to their directory.\n';
    expect(await run('migrate', 'drift')).toEqual({ code: 0, stderr: '', stdout: NO_DRIFT + HAS_NO_MODEL });
    expect(await run('migrate', 'drift', '--sql')).toEqual({
      code: 1,
      stderr: '',
      stdout: HAS_NO_MODEL.replaceAll(/^(?=.)/gm, '-- '),
    });
    write('prisma/models/crate.prisma', CRATE);
    expect(await run('migrate', 'drift', '--sql')).toEqual({
      code: 1,
      stderr: '',
      stdout:
        '-- The Prisma schema is unknown, so nothing was compared with it: beside APP/prisma/schema.prisma there is models/crate.prisma with models too.\n' +
        '-- Name it in prisma.config.ts: `schema`, a file or the directory of the schema files.\n',
    });
    write('prisma.config.ts', "import { schema } from './not-there.js'; export default { schema };");
    expect(await run('migrate', 'drift', '--sql')).toMatchObject({
      code: 78,
      stdout: '',
      stderr: expect.stringMatching(
        /^Cannot load the Prisma configuration APP\/prisma\.config\.ts: Cannot find module '\.\/not-there\.js'.*\. Nothing was changed\.\nFix it until this passes, then try again: `npx prisma validate --config APP\/prisma\.config\.ts`\. Or do without it: MIGRATIONS_DIR=path\/to\/migrations\.\n$/,
      ),
    });
  });

  it('ignores external tables and enums', async () => {
    const { url } = application;
    write('prisma/schema.prisma', DATASOURCE + CRATE.replace('mass Int', 'mass Int\n  ledger_id Int?'));
    write(
      'app.config.mts',
      `import { defineConfig } from 'prisma/config';
       export default defineConfig({
         experimental: { externalTables: true },
         schema: './prisma/schema.prisma',
         tables: { external: ['public.ledger'] },
         enums: { external: ['public.currency'] },
         migrations: { path: './prisma/migrations', initShadowDb: 'CREATE TABLE public.ledger (id int primary key);' },
         datasource: { url: process.env.DATABASE_URL },
       });`,
    );
    await query(url, `CREATE TABLE ledger (id int primary key); CREATE TYPE currency AS ENUM ('EUR')`);
    expect((await run('install')).code).toBe(0);
    application
      .add('20260101000000_init', INIT)
      .add('20260102000000_ref', 'ALTER TABLE "Crate" ADD COLUMN "ledger_id" INT REFERENCES ledger(id);\n');
    const config = ['--config', 'app.config.mts'];
    expect(await run('migrate', 'deploy', '--without-backup', ...config)).toMatchObject({ code: 0 });
    // Another team changes its own tables.
    await query(
      url,
      `ALTER TABLE ledger ADD amount numeric; CREATE INDEX ON ledger (amount); ALTER TYPE currency ADD VALUE 'IDR'`,
    );
    const drift = await run('migrate', 'drift', ...config);
    expect(drift.stdout).toContain(NO_DRIFT);
    // The foreign key belongs to the application, and its schema does not have it.
    expect((await run('migrate', 'drift', '--sql', ...config)).stdout).toBe(
      '-- DropForeignKey\nALTER TABLE "Crate" DROP CONSTRAINT "Crate_ledger_id_fkey";\n',
    );
    // /ready evaluates no configuration: it knows the external tables from the recording.
    expect((await run('ready')).stdout).toContain('  ok    migrations      2/2 migrations applied\n');
    await query(url, 'ALTER TABLE "Crate" ADD by_hand int');
    expect((await run('migrate', 'drift', ...config)).stdout).toContain(
      'DRIFT: 1 object differs from what the deploy of TIME UTC left.\n\npublic."Crate"\n  + column by_hand\n',
    );
    expect(await run('migrate', 'create', '--down-for', '20260102000000_ref', ...config)).toEqual({
      code: 0,
      stderr: '',
      stdout:
        'Written: prisma/migrations/20260102000000_ref/down.sql, which undoes it. Review it.\n' +
        'A rollback loses:\n  public.Crate.ledger_id: the column, and its values\n',
    });
  });

  it('counts a table that was dropped as one object, and names the grants that are missing', async () => {
    await deployed();
    await query(
      application.url,
      `DROP TABLE "Crate"; REVOKE ALL ON SCHEMA pgkeep FROM PUBLIC; REVOKE ALL ON pgkeep.catalogue_fingerprint FROM PUBLIC;
       CREATE ROLE guest_${databases} LOGIN PASSWORD 'hush-guest'`,
    );
    expect((await run('migrate', 'drift')).stdout).toContain(
      'DRIFT: 1 object differs from what the deploy of',
    );
    const role = `guest_${databases}`;
    const url = application.url.replace(/\/\/[^@]*@/, `//${role}:hush-guest@`);
    const answer = await runCli(
      ['migrate', 'drift'],
      { NODE_ENV: 'test', DATABASE_URL: url },
      { cwd: application.directory },
    );
    expect([answer.code, answer.stdout, answer.stderr.split('\n').slice(1)]).toEqual([
      1,
      '',
      [
        `Grant the missing privileges: GRANT USAGE ON SCHEMA "pgkeep" TO "${role}"; GRANT SELECT ON "pgkeep"."catalogue_fingerprint" TO "${role}"; GRANT SELECT ON "public"."_prisma_migrations" TO "${role}";`,
        '',
      ],
    ]);
    expect(answer.stderr).toMatch(/^Cannot look for drift in .*: permission denied for schema pgkeep/);
  });
});
