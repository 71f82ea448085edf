import { cpSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PrismaApplication } from '../migrations/engine-application.js';
import { backupDirectory, holdings, stockDump, stockPsql } from '../support/backups.js';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { CLINIC_SCHEMA } from '../support/policy.js';
import { PolicyApplication } from '../support/policy-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(120_000);

const REFUSED = 'pgkeep: DELETE of public.children is refused: its rows are never deleted';

describe('the rules in the database', () => {
  let own: ThrowAwayCluster;
  let clinic: PolicyApplication;

  /** The clinic's directory, beside a database of it. */
  function clinicOf(url: string): PolicyApplication {
    const app = new PolicyApplication(url, readFileSync(CLINIC_SCHEMA, 'utf8'));
    cpSync(CLINIC_MIGRATIONS, `${app.directory}/prisma/migrations`, { recursive: true });
    return app;
  }

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = clinicOf(await createClinic(own, 'clinic', { seeded: true }));
    expect((await clinic.run(['install'])).code).toBe(0);
    // Nothing is pending: the structure is recorded, without the rules.
    expect((await clinic.run(['migrate', 'deploy', '--without-backup'])).code).toBe(0);
    expect((await clinic.policy(['apply'])).code).toBe(0);
    await query(own.cluster.url('postgres'), `CREATE ROLE plain LOGIN PASSWORD 'pw' CREATEDB`);
  });
  afterAll(() => own.cluster.destroy());

  it('are no drift, for pgkeep or for Prisma', async () => {
    const drift = await clinic.run(['migrate', 'drift']);
    expect(drift).toMatchObject({ code: 0 });
    const { stdout } = await clinic.run(['migrate', 'drift', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'none' });
    expect((await clinic.run(['migrate', 'status'])).code).toBe(0);
    const application = new PrismaApplication(clinic.url);
    application.write('prisma/schema.prisma', readFileSync(CLINIC_SCHEMA, 'utf8'));
    cpSync(CLINIC_MIGRATIONS, application.migrations, { recursive: true });
    const diff = 'migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code';
    expect(await application.prisma(diff)).toMatchObject({
      output: expect.stringContaining('No difference detected.'),
      exitCode: 0,
    });
    expect(await application.prisma('migrate status')).toMatchObject({ exitCode: 0 });
    const pulled = await application.prisma('db pull --print');
    expect(pulled.exitCode).toBe(0);
    expect(pulled.output).not.toContain('policy');
  });

  it('come back with pg_dump, as the owner', async () => {
    const restored = await createDatabase(own, 'restored');
    await stockPsql(stockDump(clinic.url), restored);
    await expect(query(restored, 'DELETE FROM children')).rejects.toThrow(REFUSED);
    expect((await clinicOf(restored).policy(['show'])).code).toBe(0);
    const triggers = async (url: string) => (await holdings(url)).catalogue.triggers;
    expect(await triggers(restored)).toEqual(await triggers(clinic.url));
  });

  it('come back with pg_dump for a plain role that owns nothing of it before', async () => {
    const url = await createDatabase(own, 'plain');
    await query(url, 'ALTER DATABASE plain OWNER TO plain; ALTER SCHEMA public OWNER TO plain');
    const plain = changedUrl(url, { username: 'plain', password: 'pw' });
    await stockPsql(stockDump(clinic.url, ['--no-owner', '--no-privileges']), plain);
    await expect(query(plain, 'DELETE FROM children')).rejects.toThrow(REFUSED);
    expect((await clinicOf(plain).policy(['show'])).code).toBe(0);
  });

  it('are off as "O" after --data-only --disable-triggers: reported, and fixed', async () => {
    const url = await createClinic(own, 'loaded');
    const app = clinicOf(url);
    await app.run(['install']);
    expect((await app.policy(['apply'])).code).toBe(0);
    const data = stockDump(clinic.url, [
      '--data-only',
      '--disable-triggers',
      '--schema=public',
      '--exclude-table=_prisma_migrations',
    ]);
    await stockPsql(data, url);
    const shown = await app.policy(['show']);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toContain('trigger pgkeep_policy_delete is not enabled ALWAYS');
    expect((await app.policy(['apply'])).code).toBe(0);
    expect((await app.policy(['show'])).code).toBe(0);
  });

  it('pass a backup, its restore test and its restore, which names a trigger that is missing', async () => {
    const environment = { BACKUP_DIR: backupDirectory() };
    expect((await clinic.run(['backup'], environment)).code).toBe(0);
    expect(await clinic.run(['restore', 'test'], environment)).toMatchObject({ code: 0 });
    await query(clinic.url, 'ALTER TABLE users DISABLE TRIGGER pgkeep_policy_delete');
    const { stdout: list } = await clinic.run(['backup', 'list', '--json'], environment);
    const [newest] = JSON.parse(list).backups;
    const restored = await clinic.run(['restore', newest.name], environment);
    expect(restored).toMatchObject({ code: 0 });
    await expect(query(clinic.url, 'DELETE FROM children')).rejects.toThrow(REFUSED);
    expect((await clinic.policy(['show'])).code).toBe(0);
    const tables = await clinic.run(
      ['restore', newest.name, '--tables', 'children', '--into', 'some'],
      environment,
    );
    expect(tables).toMatchObject({ code: 0 });
  });

  it('are compared: a restored database without a trigger is not the backup', async () => {
    const { catalogue } = await holdings(clinic.url);
    const lines = catalogue.triggers.filter((line) => line.includes('pgkeep_policy'));
    expect(lines).toHaveLength(26);
    expect(lines.find((line) => line.startsWith('public.users pgkeep_policy_delete'))).toBe(
      `public.users pgkeep_policy_delete A: CREATE TRIGGER pgkeep_policy_delete BEFORE DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION pgkeep_policy.on_delete 'soft' , '{"id"}' , '{}' , 'deleted_at'`,
    );
  });

  describe('under the DDL guard of production', () => {
    const production = { NODE_ENV: 'production' };
    let guarded: PolicyApplication;

    beforeAll(async () => {
      guarded = clinicOf(await createClinic(own, 'guarded', { seeded: true }));
      expect((await guarded.run(['install'])).code).toBe(0);
      expect((await guarded.run(['stamp', 'production'])).code).toBe(0);
      expect((await guarded.run(['install', '--ddl-guard'])).code).toBe(0);
      expect((await guarded.policy(['apply'], production)).code).toBe(0);
    });

    it('are switched on again, whatever switched them off', async () => {
      await query(guarded.url, 'ALTER TABLE children DISABLE TRIGGER USER');
      await query(guarded.url, 'ALTER TABLE children DISABLE TRIGGER pgkeep_policy_delete');
      await query(guarded.url, 'ALTER TABLE children ENABLE REPLICA TRIGGER pgkeep_policy_update');
      expect((await guarded.policy(['show'], production)).code).toBe(0);
      await expect(query(guarded.url, 'DELETE FROM children')).rejects.toThrow(REFUSED);
    });

    it('are not dropped by hand, but by pgkeep', async () => {
      await expect(query(guarded.url, 'DROP TRIGGER pgkeep_policy_delete ON children')).rejects.toThrow(
        'pgkeep: DROP TRIGGER pgkeep_policy_delete on public.children is refused: database "guarded" is stamped production',
      );
      await expect(query(guarded.url, 'DROP SCHEMA pgkeep_policy CASCADE')).rejects.toThrow(
        'is refused: database "guarded" is stamped production',
      );
      const remove = ['remove', 'children', '--because', 'a test', '--confirm', 'public.children'];
      expect(await guarded.policy(remove, production)).toMatchObject({ code: 0 });
      expect((await guarded.policy(['apply'], production)).code).toBe(0);
    });
  });

  it('need a directory with the schema: without one the applied rules are shown', async () => {
    const { code, stdout } = await runCli(
      ['policy', 'show'],
      { NODE_ENV: 'test', DATABASE_URL: clinic.url },
      { cwd: emptyDirectory() },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('No Prisma schema was found: these are the rules that were applied.');
  });
});
