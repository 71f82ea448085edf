import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BackupService } from '../../src/backup/backup.service.js';
import type { Environment } from '../../src/config/read-settings.js';
import { propertyOf } from '../../src/core/errors.js';
import { CleanupService } from '../../src/privacy/cleanup/cleanup.service.js';
import type { CleanupReport } from '../../src/privacy/cleanup/cleanup.types.js';
import { LedgerService } from '../../src/privacy/ledger/ledger.service.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import type { Restoration, RestoreOptions } from '../../src/restore/restore/restore.types.js';
import { backupDirectory } from '../support/backups.js';
import { clinicMigrations } from '../support/clinic-project.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { applyRules } from '../support/policy.js';
import { withService } from '../support/services.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** People without children: nothing that stays refers to them. */
const CHILDLESS = `SELECT p.user_id FROM parents p WHERE NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id)`;

describe('a restore of a backup from before an erasure', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let directory: string;
  let environment: Environment;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const pristine = await createClinic(own, 'pristine', { seeded: true });
    expect((await runCli(['install'], { DATABASE_URL: pristine })).code).toBe(0);
    await applyRules(pristine);
  });
  beforeEach(async () => {
    databases += 1;
    clinic = await createDatabase(own, `clinic_${databases}`, 'pristine');
    directory = backupDirectory();
    environment = { DATABASE_URL: clinic, BACKUP_DIR: directory, MIGRATIONS_DIR: clinicMigrations() };
  });
  afterAll(() => own.cluster.destroy());

  const backUp = async (): Promise<string> =>
    (await withService(BackupService, environment, (backups) => backups.create())).name;

  const restore = async (source: string, more: Partial<RestoreOptions> = {}): Promise<Restoration> =>
    await withService(RestoreService, environment, (restores) => restores.restore({ source, ...more }));

  const ship = async (options = {}): Promise<unknown> =>
    await withService(LedgerService, environment, (ledger) => ledger.ship(options));

  /** Erases four people, and anonymizes one whose children stay. */
  async function erase(): Promise<number[]> {
    const { rows } = await query(clinic, `SELECT u.user_id AS id FROM (${CHILDLESS} ORDER BY 1 LIMIT 4) u`);
    const ids = rows.map(({ id }) => Number(id));
    await query(
      clinic,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'four letters');
       DELETE FROM users WHERE id IN (${ids.join(', ')}); COMMIT`,
    );
    return ids;
  }

  async function digests(): Promise<unknown> {
    const { rows } = await query(
      clinic,
      `SELECT (SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u) AS users,
              (SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM parents p) AS parents,
              (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM children c) AS children`,
    );
    return rows[0];
  }

  it('brings no erased person back: rows, marks and the next numbers are as before', async () => {
    await query(
      clinic,
      `UPDATE users SET deleted_at = '2026-01-02T03:04:05.678Z', deleted_by = 'x' WHERE id = 30`,
    );
    await ship({ complete: true });
    const backup = await backUp();
    const ids = await erase();
    await query(
      clinic,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'a guest');
       INSERT INTO users (email, password_hash, full_name, phone, role)
       VALUES ('guest@example.test', 'x', 'Guest', '+1', 'PARENT');
       DELETE FROM users WHERE email = 'guest@example.test'; COMMIT`,
    );
    await query(clinic, `UPDATE users SET deleted_at = now(), deleted_by = 'reception' WHERE id IN (5, 6)`);
    await query(clinic, `UPDATE users SET deleted_at = NULL, deleted_by = NULL WHERE id = 30`);
    await ship({ complete: true });
    const before = await digests();
    const { rows: sequence } = await query(clinic, 'SELECT last_value::int AS n FROM users_id_seq');
    const plan = await withService(RestoreService, environment, (restores) =>
      restores.plan({ source: backup }),
    );
    expect(plan.erasures).toMatchObject({ deleted: 9 });
    const report = await restore(backup);
    expect(report.erasures).toMatchObject({ deleted: 8, anonymized: 0, restored: 1 });
    expect(await digests()).toEqual(before);
    const after = await query(clinic, 'SELECT last_value::int AS n FROM users_id_seq');
    expect(after.rows[0].n).toBe(sequence[0].n);
    const back = await query(clinic, `SELECT id FROM users WHERE id IN (${ids.join(', ')})`);
    expect(back.rows).toEqual([]);
    const { rows } = await query(
      clinic,
      `SELECT details->'erasures'->'deleted' AS deleted FROM pgkeep.change_log WHERE action = 'restore'`,
    );
    expect(rows).toEqual([{ deleted: 8 }]);
  });

  it('reads the copies beside the backups where the database is gone', async () => {
    const backup = await backUp();
    const ids = await erase();
    await ship();
    await query(own.cluster.url('postgres'), `DROP DATABASE clinic_${databases} WITH (FORCE)`);
    const report = await restore(backup);
    expect(report.erasures).toEqual({ actions: 1, deleted: 8, anonymized: 0, marked: 0, restored: 0 });
    const { rows } = await query(clinic, `SELECT id FROM users WHERE id IN (${ids.join(', ')})`);
    expect(rows).toEqual([]);
    expect((await restore(backup)).erasures).toMatchObject({ actions: 2, deleted: 8 });
  });

  it('is announced by the restore test: how many people its restore would erase again', async () => {
    const backup = await backUp();
    await erase();
    await ship();
    const test = async () => {
      const settings = {
        ...environment,
        NODE_ENV: 'test',
        TEST_DATABASE_URL: own.cluster.url('postgres'),
      };
      return await runCli(['restore', 'test', backup], settings, { cwd: directory });
    };
    const erasures = { actions: 1, people: 4, deleted: 8, anonymized: 0, marked: 0, restored: 0 };
    const { code, stdout } = await test();
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining(
        '\nSince the backup, and repeated by a restore of it: 4 people: 8 rows deleted.\n',
      ),
    });
    const kept = async () => {
      const { rows } = await query(
        clinic,
        `SELECT evidence -> 'erasures' AS erasures FROM pgkeep.restore_test ORDER BY id DESC LIMIT 1`,
      );
      return rows[0].erasures;
    };
    expect(await kept()).toEqual(erasures);
    const file = path.join(directory, `${backup}.restore-test.json`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'passed', erasures });
    // Without the database, by the copies, which do not say which tables have people.
    await query(own.cluster.url('postgres'), `ALTER DATABASE clinic_${databases} ALLOW_CONNECTIONS false`);
    await query(
      own.cluster.url('postgres'),
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'clinic_${databases}'`,
    );
    expect((await test()).stdout).toContain(
      '\nSince the backup, and repeated by a restore of it: 8 rows deleted.\n',
    );
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ erasures: { ...erasures, people: null } });
    rmSync(path.join(directory, `clinic_${databases}_test.privacy`), { recursive: true });
    expect((await test()).stdout).toContain(
      '  note: what was erased since the backup is not known: a restore is refused\n',
    );
  });

  it('is refused where the erasures are not known, unless that is asked for', async () => {
    await erase();
    await ship();
    const backup = await backUp();
    await query(own.cluster.url('postgres'), `DROP DATABASE clinic_${databases} WITH (FORCE)`);
    rmSync(path.join(directory, `clinic_${databases}_test.privacy`), { recursive: true });
    await expect(restore(backup)).rejects.toThrow(
      `Refused to restore: the erasures since the backup are not known. ${directory} lacks 1 action that the backup knows. People who were erased since would come back. Nothing was changed.`,
    );
    const report = await restore(backup, { withoutErasures: true });
    expect(report.erasures).toBeNull();
    const { rows } = await query(
      clinic,
      `SELECT details->'withoutErasures' AS without FROM pgkeep.change_log WHERE action = 'restore'`,
    );
    expect(rows).toEqual([{ without: true }]);
  });

  it('anonymizes again with the same values, and counts each row once', async () => {
    const backup = await backUp();
    const { rows } = await query(
      clinic,
      `SELECT p.user_id AS id FROM parents p WHERE p.deleted_at IS NULL
          AND EXISTS (SELECT FROM children c WHERE c.parent_id = p.id) ORDER BY 1 LIMIT 1`,
    );
    const asked = ['--by', 'dpo', '--because', 'letter'];
    expect(
      await runCli(['privacy', 'anonymize', 'User', `${rows[0].id}`, ...asked], {
        NODE_ENV: 'test',
        ...environment,
      }),
    ).toMatchObject({ code: 0 });
    const before = await digests();
    expect((await restore(backup)).erasures).toMatchObject({ deleted: 0, anonymized: 2 });
    expect(await digests()).toEqual(before);
  });

  it.each(['process', 'connection'])(
    'leaves the database as it was where its %s is killed in the middle of the replay',
    async (what) => {
      // A trigger of the application that makes each deletion last, once that is switched on.
      await query(
        clinic,
        `CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF current_setting('app.lingers', true) = 'on' THEN PERFORM pg_sleep(60); END IF; RETURN OLD; END $$;
         CREATE TRIGGER linger BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION linger()`,
      );
      const backup = await backUp();
      await erase();
      const before = await digests();
      const lingering = `FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name LIKE 'pgkeep%'`;
      await query(clinic, `ALTER ROLE CURRENT_USER SET app.lingers = 'on'`);
      const process = new PgkeepProcess('cli', ['restore', backup], { NODE_ENV: 'test', ...environment });
      try {
        await until(async () => (await query(clinic, `SELECT ${lingering}`)).rows.length > 0, 60_000);
        if (what === 'process') process.signal('SIGKILL');
        await query(clinic, `SELECT pg_terminate_backend(pid) ${lingering}`);
        expect((await process.end()).code).not.toBe(0);
      } finally {
        await process.kill();
        await query(clinic, 'ALTER ROLE CURRENT_USER RESET app.lingers');
      }
      expect(await digests()).toEqual(before);
      expect((await restore(backup)).erasures).toMatchObject({ deleted: 8 });
      expect(await digests()).toEqual(before);
    },
  );

  it('loses no erasure of a cleanup that runs meanwhile', async () => {
    const backup = await backUp();
    await query(
      clinic,
      `UPDATE users SET deleted_at = now() - interval '40 days' WHERE id IN (${CHILDLESS} ORDER BY 1 LIMIT 4);
       UPDATE parents SET deleted_at = now() - interval '40 days' WHERE user_id IN (SELECT id FROM users WHERE deleted_at IS NOT NULL)`,
    );
    const clean = async (): Promise<CleanupReport> =>
      await withService(CleanupService, environment, (cleanup) => cleanup.clean());
    const { rows } = await query(
      clinic,
      `SELECT u.id FROM users u JOIN parents p ON p.user_id = u.id WHERE u.deleted_at IS NOT NULL AND u.id IN (${CHILDLESS})`,
    );
    const ids = rows.map(({ id }) => Number(id));
    expect(ids.length).toBeGreaterThanOrEqual(4);
    const cleanups: Promise<unknown>[] = [];
    const outcomeOf = async (work: Promise<CleanupReport>): Promise<unknown> =>
      await work.then(
        () => 'done',
        (error: unknown) => propertyOf(error, 'code'),
      );
    await restore(backup, {
      progress: () => {
        cleanups.push(outcomeOf(clean()));
      },
    });
    // Each was done before the swap or after it, or lost its connection by the swap.
    const outcomes = await Promise.all(cleanups);
    const ends: ReadonlySet<unknown> = new Set(['done', 'DATABASE_UNREACHABLE']);
    expect(outcomes.filter((outcome) => !ends.has(outcome))).toEqual([]);
    await clean();
    const left = await query(clinic, `SELECT id FROM users WHERE id IN (${ids.join(', ')})`);
    expect(left.rows).toEqual([]);
    const lines = await query(
      clinic,
      `SELECT count(DISTINCT key)::int AS n FROM pgkeep.privacy_row WHERE table_name = 'public.users' AND what = 'deleted' AND (key ->> 'id')::int IN (${ids.join(', ')})`,
    );
    expect(lines.rows).toEqual([{ n: ids.length }]);
  });

  it('is refused where a table was renamed since, and says what to do', async () => {
    const backup = await backUp();
    await erase();
    await query(clinic, `ALTER TABLE users RENAME TO accounts`);
    await query(
      clinic,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'a letter');
       DELETE FROM accounts WHERE id = (${CHILDLESS} LIMIT 1); COMMIT`,
    );
    await expect(restore(backup)).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message:
        'Refused to replay the erasures since the backup: table public.accounts is not in the restored database. Nothing was changed.',
      hint: 'The backup is from before a migration, or from after one that renamed this. Restore with `--without-erasures`, run `pgkeep migrate deploy`, then `pgkeep privacy replay`.',
    });
    const { rows } = await query(
      own.cluster.url('postgres'),
      `SELECT datname FROM pg_database WHERE datname LIKE '%restoring%'`,
    );
    expect(rows).toEqual([]);
  });

  it('keeps a legal hold that was placed since, and none that was released', async () => {
    await query(
      clinic,
      `INSERT INTO pgkeep.legal_hold VALUES ('public.users', '{"id": 7}', 'old case', NULL, now(), 'dpo')`,
    );
    const backup = await backUp();
    await query(
      clinic,
      `DELETE FROM pgkeep.legal_hold; INSERT INTO pgkeep.legal_hold VALUES ('public.users', '{"id": 8}', 'new case', NULL, now(), 'dpo')`,
    );
    await restore(backup);
    const { rows } = await query(clinic, 'SELECT key, because FROM pgkeep.legal_hold');
    expect(rows).toEqual([{ key: { id: 8 }, because: 'new case' }]);
  });

  it('does not take the erasures of another environment', async () => {
    const backup = await backUp();
    const ids = await erase();
    environment = { ...environment, NODE_ENV: 'staging' };
    const report = await restore(backup, { fromOther: `clinic_${databases}_test` });
    expect(report.erasures).toMatchObject({ actions: 0 });
    const { rows } = await query(
      clinic,
      `SELECT count(*)::int AS n FROM users WHERE id IN (${ids.join(', ')})`,
    );
    expect(rows).toEqual([{ n: 4 }]);
  });

  it('leaves erased rows out of tables that are restored beside the database', async () => {
    const backup = await backUp();
    await erase();
    const report = await withService(RestoreService, environment, (restores) =>
      restores.restoreTables({ source: backup, tables: ['parents'], into: `rescued_${databases}` }),
    );
    expect(report.erased).toBe(4);
    const { rows } = await query(
      own.cluster.url(`rescued_${databases}`),
      'SELECT count(*)::int AS n FROM parents',
    );
    expect(rows[0].n).toBe((report.tables[0]?.rows ?? 0) - 4);
  });

  it('is stopped by a copy that was truncated', async () => {
    const backup = await backUp();
    await erase();
    await ship();
    await query(own.cluster.url('postgres'), `DROP DATABASE clinic_${databases} WITH (FORCE)`);
    const [file] = await withService(LedgerService, environment, async (ledger) => {
      const [place] = await ledger.places();
      return [...((await place?.keys()) ?? new Map<string, string>()).values()];
    });
    writeFileSync(path.join(directory, file ?? ''), '{"format":"pgkeep-erasures/1"}\n');
    await expect(restore(backup)).rejects.toThrow(
      'cannot be read: it is incomplete, or a later version of pgkeep wrote it.',
    );
  });
});
