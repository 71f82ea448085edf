import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../src/cluster/cluster.js';
import type { Problem } from '../../src/http/problem.js';
import type { DatabaseStats } from '../../src/stats/stats.types.js';
import { query } from '../support/clinic.js';
import { evaluate } from '../support/evaluate.js';
import { createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { PolicyApplication } from '../support/policy-application.js';
import { REPLICATION_HBA, startStandby } from '../support/standby.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { withService } from '../support/watched-service.js';

const ADMIN = { authorization: 'Bearer replica-token' };
const STATS = '/admin/database/stats';

describe('a read-only server', () => {
  let primary: ThrowAwayCluster;
  let standby: Cluster;
  let guarded: GuardedDatabase;
  beforeAll(async () => {
    primary = await startThrowAwayCluster({ hba: REPLICATION_HBA });
    guarded = await createGuarded(primary, 'guarded');
    standby = await startStandby(primary);
  });
  afterAll(async () => {
    await standby.destroy();
    await primary.cluster.destroy();
  });

  const settings = (url: string) => ({
    DATABASE_URL: url,
    MIGRATIONS_DIR: guarded.migrationsDirectory,
    ADMIN_API_TOKEN: 'replica-token',
  });

  it('is a standby instead of the primary: not ready, and nothing is written', async () => {
    const { status, checks } = await evaluate(settings(standby.url('guarded')));
    expect(status).toBe('not_ready');
    expect(checks.database).toEqual({
      ok: false,
      code: 'DATABASE_IN_RECOVERY',
      hint: 'docs/checks.md#database_in_recovery',
      gate: 'enforce',
      details:
        'The server is a read-only replica (in recovery), not the primary: point DATABASE_URL at the primary',
    });
    expect(checks.migrations).toEqual({ ok: true, details: '1/1 migrations applied' });
    const [ping, install] = await Promise.all([
      runCli(['ping', '--json'], settings(standby.url('guarded'))),
      runCli(['install'], settings(standby.url('guarded'))),
    ]);
    expect([ping.code, JSON.parse(ping.stdout)]).toEqual([0, expect.objectContaining({ kind: 'replica' })]);
    expect(install).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'Cannot install schema pgkeep: the server is a read-only replica.\nPoint DATABASE_URL at the primary.\n',
    });
  });

  it('takes no policy and no action on a person: each names the primary', async () => {
    const application = new PolicyApplication(
      primary.cluster.url('guarded'),
      '/// @pgkeep.subject\nmodel Person {\n  id Int @id\n  name String /// @pgkeep.personal(name)\n  deletedAt DateTime?\n  @@map("persons")\n}\n',
    );
    await query(
      application.url,
      'CREATE TABLE persons (id int PRIMARY KEY, name text, "deletedAt" timestamp(3))',
    );
    await query(application.url, `INSERT INTO persons VALUES (1, 'Siti')`);
    expect((await application.run(['install'])).code).toBe(0);
    const onStandby = { DATABASE_URL: standby.url('guarded') };
    await until(
      async () =>
        (await query(standby.url('guarded'), `SELECT to_regclass('pgkeep.table_policy') AS found`)).rows[0]
          .found !== null,
    );
    expect(await application.policy(['apply'], onStandby)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to apply the policy: the server is a read-only replica. Nothing was changed.\nPoint DATABASE_URL at the primary.\n',
    });
    expect(await application.policy(['apply', '--dry-run'], onStandby)).toMatchObject({ code: 0 });
    expect((await application.policy(['apply'])).code).toBe(0);
    await until(
      async () => (await query(standby.url('guarded'), 'SELECT FROM pgkeep.table_policy')).rowCount === 1,
    );
    expect(await application.policy(['show'], onStandby)).toMatchObject({ code: 0 });
    const because = ['--by', 'dpo', '--because', 'letter'];
    expect(await application.run(['privacy', 'erase', 'Person', '1', ...because], onStandby)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to erase Person 1: the server is a read-only replica. Nothing was changed.\nPoint DATABASE_URL at the primary.\n',
    });
    expect(await application.run(['privacy', 'cleanup'], onStandby)).toMatchObject({
      code: 3,
      stderr:
        'Refused to clean up: the server is a read-only replica. Nothing was erased.\nPoint DATABASE_URL at the primary.\n',
    });
    expect(await application.run(['privacy', 'replay'], onStandby)).toMatchObject({
      code: 3,
      stderr:
        'Refused to replay the erasures: the server is a read-only replica. Nothing was changed.\nPoint DATABASE_URL at the primary.\n',
    });
    // What an administrator sets against applications does not stop pgkeep.
    const maintenance = primary.cluster.url('postgres');
    await query(maintenance, `ALTER DATABASE guarded SET default_transaction_read_only = on`);
    await query(maintenance, `ALTER DATABASE guarded SET default_transaction_isolation = 'serializable'`);
    expect((await application.policy(['remove', 'persons', '--because', 'a test'])).code).toBe(0);
    expect((await application.policy(['apply'])).code).toBe(0);
    await query(maintenance, `ALTER DATABASE guarded RESET ALL`);
  });

  it('has default_transaction_read_only: not ready until that is switched off', async () => {
    const name = 'read_only';
    await createGuarded(primary, name);
    await query(
      primary.cluster.url('postgres'),
      `ALTER DATABASE ${name} SET default_transaction_read_only = on`,
    );
    const { status, checks } = await evaluate(settings(primary.cluster.url(name)));
    expect([status, checks.database]).toEqual([
      'not_ready',
      {
        ok: false,
        code: 'DATABASE_READ_ONLY',
        hint: 'docs/checks.md#database_read_only',
        gate: 'enforce',
        details:
          'The server is read-only (default_transaction_read_only = on): switch that off, or point DATABASE_URL at the primary',
      },
    ]);
    await query(
      primary.cluster.url('postgres'),
      `ALTER DATABASE ${name} SET default_transaction_read_only = off`,
    );
    expect((await evaluate(settings(primary.cluster.url(name)))).status).toBe('ready');
  });

  it('is skipped by target_session_attrs, whatever its position in the list of hosts', async () => {
    const both = guarded.url.replace(
      /@[^/]*/,
      `@127.0.0.1:${standby.port},127.0.0.1:${primary.cluster.port}`,
    );
    const { status } = await evaluate(settings(`${both}?target_session_attrs=read-write`));
    expect(status).toBe('ready');
    const wrong = await evaluate(settings(`${guarded.url}?target_session_attrs=standby`));
    expect(wrong.checks.database).toMatchObject({
      ok: false,
      details:
        'No usable database connection: the server is not standby, as target_session_attrs asks. Check the host list of the database URL.',
    });
  });

  it('answers for the statistics as DATABASE_READ_REPLICA_URL; while it is down they are not available', async () => {
    const name = 'replicated';
    const { url } = await createGuarded(primary, name);
    await query(url, 'CREATE TABLE counted AS SELECT generate_series(1, 3)');
    const { rows } = await query(url, 'SELECT pg_current_wal_insert_lsn() AS lsn');
    await until(async () => {
      const reached = await query(standby.url('postgres'), 'SELECT pg_last_wal_replay_lsn() >= $1 AS yes', [
        rows[0]?.lsn,
      ]);
      return reached.rows[0]?.yes === true;
    });
    const replicated = { ...settings(url), DATABASE_READ_REPLICA_URL: standby.url(name) };
    await withService(replicated, async (service) => {
      const { status, body } = await service.get<DatabaseStats>(`${STATS}?rows=exact`, ADMIN);
      expect([status, body.tables[0]]).toEqual([
        200,
        expect.objectContaining({
          name: 'public.counted',
          rowCount: 3,
          rowCountIsExact: true,
          deadRows: null,
          lastVacuumAt: null,
        }),
      ]);
      await standby.stop();
      const failed = await service.get<Problem>(STATS, ADMIN);
      expect([failed.status, failed.body.code, failed.body.detail]).toEqual([
        503,
        'DATABASE_UNREACHABLE',
        `Cannot collect the database statistics: connect ECONNREFUSED 127.0.0.1:${standby.port}`,
      ]);
      expect((await service.verdict()).status).toBe('ready');
      await standby.startServer();
      expect((await service.get(STATS, ADMIN)).status).toBe(200);
    });
  });
});
