import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { BackupService } from '../../src/backup/backup.service.js';
import { ExportService } from '../../src/backup/export/export.service.js';
import { GlobalsService } from '../../src/backup/globals/globals.service.js';
import { DeployService, ResolveService, RollbackService } from '../../src/deploy/deploy.service.js';
import { DriftService } from '../../src/drift/drift.service.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { DdlGuardService } from '../../src/guard/ddl/ddl-guard.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { DatabaseService } from '../../src/postgres/database.service.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { StatsService } from '../../src/stats/stats.service.js';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { withApp } from '../support/evaluate.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

let own: ThrowAwayCluster;
let direct: string;
const backups = emptyDirectory();
let backup: string;
const bouncers: PgBouncer[] = [];

async function bouncer(
  settings: Record<string, string | number>,
  databases?: Record<string, string>,
): Promise<PgBouncer> {
  const started = await PgBouncer.start(own, settings, databases);
  bouncers.push(started);
  return started;
}

beforeAll(async () => {
  own = await startThrowAwayCluster();
  direct = await createClinic(own, 'clinic', { seeded: true });
  await withApp(environment(direct, { BACKUP_DIR: backups }), async (app) => {
    await app.get(InstallService).install();
    await app.get(StampService).stamp('test');
    ({ name: backup } = await app.get(BackupService).create({ reason: 'manual' }));
  });
});

afterAll(async () => {
  await Promise.all(bouncers.map((started) => started.stop()));
  await own.cluster.destroy();
});

function environment(url: string, more: Record<string, string> = {}) {
  return {
    DATABASE_URL: url,
    MIGRATIONS_DIR: CLINIC_MIGRATIONS,
    BACKUP_DIR: emptyDirectory(),
    ...more,
  };
}

function refusalAt(port: number) {
  return {
    code: 'POOLER_REFUSED',
    message: `Refused to work through the transaction pooler at 127.0.0.1:${port}: it may give each transaction a different PostgreSQL session. Nothing was changed.`,
    hint: 'Set DIRECT_URL to the same database without the pooler: the address of PostgreSQL itself, or of a pooler with pool_mode = session. Then run the same command again.',
  };
}

describe.each([
  ['one session', { pool_mode: 'transaction', default_pool_size: 1 }],
  ['three sessions, the newest first', { pool_mode: 'transaction', default_pool_size: 3 }],
  [
    'two sessions, the oldest first',
    { pool_mode: 'transaction', default_pool_size: 2, server_round_robin: 1 },
  ],
  [
    'five sessions, the oldest first',
    { pool_mode: 'transaction', default_pool_size: 5, server_round_robin: 1, min_pool_size: 5 },
  ],
])('a transaction pooler with %s', (_, settings) => {
  let pooler: PgBouncer;

  beforeAll(async () => {
    pooler = await bouncer({ ...settings, ignore_startup_parameters: 'extra_float_digits' });
  });

  it('serves readiness and statistics, which leave no trace in its sessions', async () => {
    await withApp(environment(pooler.url('clinic')), async (app) => {
      const { verdict } = await app.get(ReadinessService).evaluate();
      expect(verdict.checks.database).toMatchObject({ ok: true });
      expect(verdict.checks.migrations).toMatchObject({ ok: true, details: '9/9 migrations applied' });
      expect((await app.get(StatsService).collect('exact')).tableCount).toBeGreaterThan(3);
      expect(await app.get(DatabaseService).ping()).toMatchObject({ database: 'clinic' });
    });
    await expectNoTraceBehind(pooler);
  });

  it('is refused by commands that need a session, before the session is changed', async () => {
    await withApp(environment(pooler.url('clinic'), { BACKUP_DIR: backups }), async (app) => {
      const refused = expect.objectContaining(refusalAt(pooler.port));
      for (const work of [
        () => app.get(DeployService).plan(),
        () => app.get(DeployService).deploy(),
        () => app.get(RollbackService).plan(),
        () => app.get(RollbackService).rollback(),
        () => app.get(ResolveService).explain(),
        () => app.get(BackupService).create({ reason: 'manual' }),
        () => app.get(GlobalsService).dump(),
        () => app.get(ExportService).export(['children']),
        () => app.get(RestoreService).plan({ source: backup }),
        () => app.get(RestoreService).restore({ source: backup }),
        () => app.get(RestoreService).restoreTables({ source: backup, tables: ['children'], into: 'other' }),
        () => app.get(InstallService).install(),
        () => app.get(DdlGuardService).install(),
      ]) {
        await expect(work()).rejects.toEqual(refused);
      }
    });
    const { message, hint } = refusalAt(pooler.port);
    const drift = await runCli(['migrate', 'drift'], environment(pooler.url('clinic')), {
      cwd: path.resolve('examples/clinic'),
    });
    expect(drift).toEqual({ code: 3, stdout: '', stderr: `${message}\n${hint}\n` });
    await expectNoTraceBehind(pooler);
  });
});

describe('a statement pooler', () => {
  it('is refused with the same message, and readiness reports what does not work', async () => {
    const pooler = await bouncer({ pool_mode: 'statement', ignore_startup_parameters: 'extra_float_digits' });
    await withApp(environment(pooler.url('clinic')), async (app) => {
      await expect(app.get(DeployService).deploy()).rejects.toEqual(
        expect.objectContaining(refusalAt(pooler.port)),
      );
      const { verdict } = await app.get(ReadinessService).evaluate();
      expect(verdict.checks.database).toEqual({
        ok: false,
        gate: 'enforce',
        code: 'DATABASE_UNREACHABLE',
        hint: 'docs/checks.md#database_unreachable',
        details:
          'No usable database connection: transaction blocks not allowed in statement pooling mode. Set pool_mode of the pooler to transaction or session.',
      });
    });
  });
});

describe('a session pooler', () => {
  it('keeps sessions: everything works through it', async () => {
    const pooler = await bouncer({
      pool_mode: 'session',
      default_pool_size: 20,
      ignore_startup_parameters: 'extra_float_digits',
    });
    await withApp(environment(pooler.url('clinic')), async (app) => {
      await app.get(BackupService).create({ reason: 'manual' });
      expect((await app.get(DeployService).deploy({ withoutBackup: true })).applied).toEqual([]);
      expect((await app.get(DriftService).report()).verdict).toBe('none');
    });
  });
});

describe('DIRECT_URL', () => {
  const settings = { pool_mode: 'transaction', ignore_startup_parameters: 'extra_float_digits' };

  it.each(['DIRECT_URL', 'DIRECT_DATABASE_URL', 'DATABASE_URL_UNPOOLED'])(
    'bypasses the pooler for whatever needs a session, under the name %s',
    async (name) => {
      // The pooler has another name for the database: its identity shows which one it is.
      const pooler = await bouncer(settings, { pooled: 'clinic' });
      await withApp(environment(pooler.url('pooled'), { [name]: direct }), async (app) => {
        await app.get(BackupService).create({ reason: 'manual' });
        expect((await app.get(DeployService).deploy({ withoutBackup: true })).applied).toEqual([]);
        expect((await app.get(DriftService).report()).verdict).toBe('none');
        expect((await app.get(ReadinessService).evaluate()).verdict.checks.database).toMatchObject({
          ok: true,
        });
        expect((await app.get(AuditLogService).list(1)).entries).toHaveLength(1);
        expect((await app.get(JobsService).read()).ability).toEqual({ kind: 'able' });
      });
      await expectNoTraceBehind(pooler);
    },
  );

  it('is refused if it leads to another database of the same server', async () => {
    const pooler = await bouncer(settings);
    const other = await createDatabase(own, 'other');
    const given = environment(pooler.url('clinic'), { DIRECT_URL: other, BACKUP_DIR: backups });
    await withApp(given, async (app) => {
      const refused = expect.objectContaining({
        code: 'DATABASE_MISMATCH',
        message: `Refused to use DIRECT_URL (127.0.0.1:${own.cluster.port}/other): it leads to a different database than DATABASE_URL (127.0.0.1:${pooler.port}/clinic). Nothing was changed.`,
        hint: 'Set DIRECT_URL to the database of DATABASE_URL, past its pooler, or unset it.',
      });
      await expect(app.get(DeployService).deploy()).rejects.toEqual(refused);
      await expect(app.get(InstallService).install()).rejects.toEqual(refused);
      await expect(
        app.get(RestoreService).restore({ source: backup, withoutSafetyBackup: true }),
      ).rejects.toEqual(refused);
    });
    expect((await query(other, `SELECT FROM pg_namespace WHERE nspname = 'pgkeep'`)).rows).toEqual([]);
  });

  it('is refused if it is a transaction pooler itself', async () => {
    const pooler = await bouncer(settings);
    await withApp(
      environment(pooler.url('clinic'), { DIRECT_URL: `${pooler.url('clinic')}?connect_timeout=5` }),
      async (app) => {
        await expect(app.get(DeployService).deploy()).rejects.toEqual(
          expect.objectContaining({
            code: 'POOLER_REFUSED',
            message: `Refused to work through the transaction pooler at 127.0.0.1:${pooler.port} (DIRECT_URL): it may give each transaction a different PostgreSQL session. Nothing was changed.`,
            hint: 'Set DIRECT_URL to the address of PostgreSQL itself, or of a pooler with pool_mode = session.',
          }),
        );
      },
    );
  });

  it('is not used while the identity of DATABASE_URL’s database is unknown', async () => {
    const pooler = await bouncer(settings);
    await withApp(environment(pooler.url('nowhere'), { DIRECT_URL: direct }), async (app) => {
      await expect(app.get(DeployService).deploy()).rejects.toMatchObject({
        code: 'DATABASE_UNREACHABLE',
        hint: 'Make both reachable, or set DATABASE_URL to the value of DIRECT_URL and unset DIRECT_URL.',
      });
    });
  });
});

it('is needed by a deploy through the pooler: exit 3 without it, success with it', async () => {
  const pooler = await bouncer({ pool_mode: 'transaction', ignore_startup_parameters: 'extra_float_digits' });
  const application = new DeployedApplication(pooler.url('clinic'));
  const refused = await application.quickly();
  expect(refused).toEqual({
    code: 3,
    stdout: '',
    stderr: `${refusalAt(pooler.port).message}\n${refusalAt(pooler.port).hint}\n`,
  });
  const { code, stderr } = await application.quickly([], { DIRECT_URL: direct });
  expect({ code, stderr }).toMatchObject({ code: 0 });
});

/** Checks that the pooler's sessions have no lock, setting or prepared statement of pgkeep. */
async function expectNoTraceBehind(pooler: PgBouncer): Promise<void> {
  const { rows: locks } = await query(direct, `SELECT * FROM pg_locks WHERE locktype = 'advisory'`);
  expect(locks).toEqual([]);
  for (let look = 0; look < 6; look += 1) {
    const { rows } = await query(
      pooler.url('clinic'),
      `SELECT (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_prepared_statements) AS prepared,
              (SELECT pg_catalog.array_agg(name) FROM pg_catalog.pg_settings
                WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding')) AS settings`,
    );
    expect(rows).toEqual([{ prepared: 0, settings: null }]);
  }
}
