import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { appendPlan } from '../../src/audit-log/append.js';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import type { NewEntry } from '../../src/audit-log/audit-log.types.js';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { withApp } from '../support/app.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Runs one of PostgreSQL's own client programs. */
async function run(
  program: 'psql' | 'pg_dump' | 'pg_restore',
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { bin, libraryPath } = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');
  const { stdout } = await promisify(execFile)(path.join(bin, program), argv, {
    env: { ...env, LD_LIBRARY_PATH: libraryPath },
  });
  return stdout;
}

/** Characters and values that a serialisation could get wrong. */
const AWKWARD: NewEntry = {
  action: 'stamp',
  subject: 'a "quoted" \\ back\nslash, Ünïcödé 😀',
  details: { z: 1.5, a: null, '😀': ['x', { deep: true }], big: 12_345_678_901_234, text: '", "' },
  actor: 'user@example',
};

describe('the record', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let count = 0;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const template = await createDatabase(own, 'installed');
    await withApp(template, (app) => app.get(InstallService).install('installer@here'));
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(async () => {
    count += 1;
    url = await createDatabase(own, `record_${count}`, 'installed');
  });

  async function record(...entries: readonly NewEntry[]): Promise<void> {
    await withApp(url, async (app) => {
      for (const entry of entries) await app.get(AuditLogService).record(entry);
    });
  }

  const verify = (knownHead?: string) => withApp(url, (app) => app.get(AuditLogService).verify(knownHead));
  const list = (limit = 100) => withApp(url, (app) => app.get(AuditLogService).list(limit));

  it('chains every action to the previous one, and records who did it and when', async () => {
    const before = Date.now();
    await record(AWKWARD, AWKWARD);
    const { total, entries } = await list();
    expect(total).toBe(3);
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(entries.map(({ previousHash }) => previousHash)).toEqual([
      '0'.repeat(64),
      entries[0]?.hash,
      entries[1]?.hash,
    ]);
    expect(entries[1]).toMatchObject({ ...AWKWARD, role: 'postgres' });
    const recordedAt = Date.parse(entries[1]?.recordedAt ?? '');
    expect(recordedAt).toBeGreaterThanOrEqual(before - 1);
    expect(recordedAt).toBeLessThanOrEqual(Date.now());
    expect((await list(1)).entries.map(({ seq }) => seq)).toEqual([3]);
    expect(await verify()).toEqual({
      verdict: 'whole',
      entries: 3,
      head: entries[2]?.hash,
      knownHead: null,
      findings: [],
    });
  });

  it('gives 20 concurrent writers numbers without a gap, though every third rolls back', async () => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => await new Client({ connectionString: url }).connect()),
    );
    const { sql, values } = appendPlan(AWKWARD);
    await Promise.all(
      clients.map(async (client, index) => {
        await client.query('BEGIN');
        await client.query(sql, [...values]);
        await client.query(index % 3 === 0 ? 'ROLLBACK' : 'COMMIT');
        await client.end();
      }),
    );
    const { entries } = await list();
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 14 });
  });

  it('chains the rows of one statement; writers cannot choose number, time, role or predecessor', async () => {
    await query(
      url,
      `INSERT INTO pgkeep.change_log (seq, recorded_at, action, subject, role, actor, previous_hash)
       SELECT 900 + n, '2000-01-01', 'stamp', 'forged', 'unknown', 'a', 'x' FROM generate_series(1, 3) n`,
    );
    const { entries } = await list();
    expect(entries.map(({ seq, role }) => [seq, role])).toEqual([1, 2, 3, 4].map((seq) => [seq, 'postgres']));
    expect(entries.filter(({ recordedAt }) => recordedAt.startsWith('2000'))).toEqual([]);
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 4 });
  });

  it('refuses to fork where a writer cannot see the entry before', async () => {
    const stale = await new Client({ connectionString: url }).connect();
    const { sql, values } = appendPlan(AWKWARD);
    await stale.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
    await record(AWKWARD);
    await expect(stale.query(sql, [...values])).rejects.toMatchObject({ code: '23505' });
    await stale.end();
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 2 });
  });

  describe.each([
    ['the owner', 'SET ROLE log_owner'],
    ['a superuser', 'RESET ROLE'],
    ['a superuser who passes for replication', 'SET session_replication_role = replica'],
  ])('to %s', (_who, become) => {
    beforeAll(async () => {
      await query(
        own.cluster.url('postgres'),
        `DO $$ BEGIN CREATE ROLE log_owner; EXCEPTION WHEN duplicate_object THEN END $$`,
      );
    });

    it.each([
      ['UPDATE', `UPDATE pgkeep.change_log SET subject = 'other' WHERE seq = 1`],
      ['UPDATE', 'UPDATE pgkeep.change_log SET seq = seq'],
      ['DELETE', 'DELETE FROM pgkeep.change_log'],
      ['TRUNCATE', 'TRUNCATE pgkeep.change_log'],
      ['TRUNCATE', 'TRUNCATE pgkeep.change_log CASCADE'],
    ])('refuses %s: %s', async (operation, sql) => {
      await query(url, 'ALTER TABLE pgkeep.change_log OWNER TO log_owner');
      await expect(query(url, `${become}; ${sql}`)).rejects.toMatchObject({
        code: 'PK001',
        message: `pgkeep.change_log is append-only: ${operation} is refused`,
        hint: 'What was recorded stays. To correct an entry, record another one.',
      });
      expect(await verify()).toMatchObject({ verdict: 'whole', entries: 1 });
    });
  });

  it('allows every role to read and verify, only roles with the grant to write, and none to forge', async () => {
    const auditor = changedUrl(url, { username: 'auditor', password: 'pw' });
    await query(url, `CREATE ROLE auditor LOGIN PASSWORD 'pw'`);
    await record(AWKWARD);
    await withApp(auditor, async (app) => {
      const changelog = app.get(AuditLogService);
      expect(await changelog.list(10)).toMatchObject({ total: 2 });
      expect(await changelog.verify()).toMatchObject({ verdict: 'whole' });
      await expect(changelog.record(AWKWARD)).rejects.toMatchObject({ code: 'DATABASE_PERMISSION_DENIED' });
      await query(url, 'GRANT INSERT ON pgkeep.change_log TO auditor');
      await changelog.record(AWKWARD);
    });
    expect((await list()).entries.at(-1)).toMatchObject({ seq: 3, role: 'auditor' });
    await expect(
      query(
        auditor,
        `INSERT INTO pgkeep.change_log SELECT 4, recorded_at, action, subject, details, role, actor, hash, hash FROM pgkeep.change_log WHERE seq = 3`,
      ),
    ).rejects.toMatchObject({
      code: 'PK002',
      message: 'pgkeep.change_log: only its owner may carry entries over',
    });
    await expect(query(auditor, 'DELETE FROM pgkeep.change_log')).rejects.toMatchObject({ code: '42501' });
  });

  it('allows the owner to copy entries from a replaced database, but only unchanged and in order', async () => {
    await record(AWKWARD, AWKWARD);
    const { rows } = await query(url, 'SELECT to_jsonb(e) AS entry FROM pgkeep.change_log e ORDER BY seq');
    const [, second, third] = rows.map(({ entry }): unknown => entry);
    const restored = await createDatabase(own, 'restored', 'installed');
    const carry = (entry: unknown) =>
      query(
        restored,
        'INSERT INTO pgkeep.change_log SELECT * FROM jsonb_populate_record(NULL::pgkeep.change_log, $1)',
        [entry],
      );
    await expect(carry(third)).rejects.toMatchObject({
      code: 'PK002',
      message: 'pgkeep.change_log: entry 3 does not continue the chain at entry 1',
    });
    await expect(carry(Object.assign({}, second, { subject: 'other' }))).rejects.toMatchObject({
      code: 'PK002',
    });
    await carry(second);
    await carry(third);
    await expect(carry(third)).rejects.toMatchObject({ code: 'PK002' });
    const { entries } = await list();
    expect(await withApp(restored, (app) => app.get(AuditLogService).list(10))).toEqual({
      total: 3,
      entries,
    });
    await withApp(restored, (app) => app.get(AuditLogService).record(AWKWARD));
    expect(await withApp(restored, (app) => app.get(AuditLogService).verify())).toMatchObject({
      verdict: 'whole',
      entries: 4,
    });
  });

  it('survives dump and restore, triggers included', async () => {
    await record(AWKWARD, AWKWARD);
    const archive = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-dump-')), 'archive');
    await run('pg_dump', ['-Fc', '-f', archive, '-d', url]);
    const complete = await createDatabase(own, 'restored_complete');
    await run('pg_restore', ['--exit-on-error', '-d', complete, archive]);
    const original = await verify();
    expect(original).toMatchObject({ verdict: 'whole', entries: 3 });
    expect(await withApp(complete, (app) => app.get(AuditLogService).verify())).toEqual(original);
    // Restoring only the data into a freshly installed database would fork the chain.
    const fresh = await createDatabase(own, 'restored_data', 'installed');
    const dataOnly = [
      '--exit-on-error',
      '--data-only',
      '-n',
      'pgkeep',
      '-t',
      'change_log',
      '-d',
      fresh,
      archive,
    ];
    await expect(run('pg_restore', dataOnly)).rejects.toThrow(
      'entry 1 does not continue the chain at entry 1',
    );
  });

  it('can be recomputed with psql as documented, whatever the session’s settings', async () => {
    await record(AWKWARD, AWKWARD);
    const [, sql = ''] =
      /```sql\n(SELECT seq[^`]+change_log[^`]+)```/.exec(readFileSync('docs/audit-log.md', 'utf8')) ?? [];
    const awkwardSession = {
      PGTZ: 'Asia/Kathmandu',
      PGDATESTYLE: 'German',
      PGCLIENTENCODING: 'LATIN1',
    };
    for (const env of [{}, awkwardSession]) {
      expect(await run('psql', ['-X', '-At', '-d', url, '-c', sql], env)).toBe('1|t\n2|t\n3|t\n');
    }
    await query(
      url,
      `ALTER TABLE pgkeep.change_log DISABLE TRIGGER USER; UPDATE pgkeep.change_log SET details = '{}' WHERE seq = 2`,
    );
    expect(await run('psql', ['-X', '-At', '-d', url, '-c', sql])).toBe('1|t\n2|f\n3|t\n');
  });

  it('accepts an action that this version does not know, if it is formed like a name', async () => {
    const insert = (action: string) =>
      query(url, `INSERT INTO pgkeep.change_log (action, subject, actor) VALUES ($1, 's', 'a')`, [action]);
    await insert('restore-test');
    expect((await list()).entries.at(-1)).toMatchObject({ action: 'restore-test', details: {} });
    for (const wrong of ['', 'Restore', 'a b', '-a']) {
      await expect(insert(wrong)).rejects.toMatchObject({ code: '23514' });
    }
  });

  it('says what to run where it is not installed', async () => {
    const bare = await createDatabase(own, 'bare');
    await withApp(bare, async (app) => {
      await expect(app.get(AuditLogService).list(1)).rejects.toMatchObject({
        code: 'NOT_INSTALLED',
        message: 'Cannot read the audit log: the database has no table pgkeep.change_log.',
        hint: 'Run `pgkeep install`.',
      });
    });
  });
});
