import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { operator } from '../../src/audit-log/append.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('an action on backups', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    // Without TLS, as on most laptops: the action is recorded too.
    own = await startThrowAwayCluster({ tls: false });
    url = await createDatabase(own, 'kept');
    await query(url, 'CREATE TABLE t AS SELECT 1 AS id');
    await runCli(['install'], { DATABASE_URL: url });
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  async function pgkeep(...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return await runCli(argv, {
      DATABASE_URL: url,
      BACKUP_DIR: directory,
      BACKUP_RETENTION_HOURS: '0',
      BACKUP_RETENTION_DAYS: '1',
      BACKUP_RETENTION_WEEKS: '0',
      BACKUP_RETENTION_MONTHS: '0',
    });
  }

  async function made(): Promise<{ name: string; bytes: number; sha256: string; recorded: boolean }> {
    return JSON.parse((await pgkeep('backup', '--json')).stdout);
  }

  it('is recorded: backup, pin, unpin, prune; a pinned backup is listed as pinned and kept by prune', async () => {
    const first = await made();
    const second = await made();
    expect(first.recorded).toBe(true);
    expect(await pgkeep('backup', 'pin', `${first.name}.dump`, '--because', 'before the merger')).toEqual({
      code: 0,
      stdout: `Pinned ${first.name}. Retention keeps it until \`pgkeep backup unpin\`.\n`,
      stderr: '',
    });
    expect(JSON.parse(readFileSync(path.join(directory, `${first.name}.pinned.json`), 'utf8'))).toEqual({
      pinnedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      actor: operator(),
      because: 'before the merger',
    });
    expect((await pgkeep('backup', 'list')).stdout).toContain(`\n${first.name} (pinned)  `);
    expect(JSON.parse((await pgkeep('backup', 'prune', '--json')).stdout)).toMatchObject({
      keep: [{ name: second.name }, { name: first.name, because: ['pinned'] }],
      remove: [],
    });
    expect(await pgkeep('backup', 'unpin', first.name)).toEqual({
      code: 0,
      stdout: `Unpinned ${first.name}. The retention rules apply to it.\n`,
      stderr: '',
    });
    expect((await pgkeep('backup', 'unpin', first.name)).stdout).toBe(
      `Not pinned: ${first.name}. The retention rules apply to it.\n`,
    );
    expect(JSON.parse((await pgkeep('backup', 'prune', '--json')).stdout)).toMatchObject({
      remove: [first.name],
      recorded: true,
    });
    const { entries } = JSON.parse((await pgkeep('changelog', '--json')).stdout);
    const common = { actor: operator(), role: 'postgres' };
    const { bytes, sha256 } = first;
    const details = { reason: 'manual', environment: 'development', encrypted: false, bytes, sha256 };
    expect(entries.slice(1)).toMatchObject([
      { ...common, action: 'backup', subject: first.name, details },
      { ...common, action: 'backup', subject: second.name },
      { ...common, action: 'pin', subject: first.name, details: { because: 'before the merger' } },
      { ...common, action: 'unpin', subject: first.name },
      {
        ...common,
        action: 'prune',
        subject: 'kept_development',
        details: { removed: [first.name], kept: 1 },
      },
    ]);
  });

  it('succeeds if it cannot be recorded, and says what to run', async () => {
    const bare = await createDatabase(own, 'bare');
    const settings = { DATABASE_URL: bare, BACKUP_DIR: directory };
    const unrecorded = await runCli(['backup'], settings);
    expect([unrecorded.code, unrecorded.stdout.split('\n').at(-2)]).toEqual([
      0,
      'Done, but not recorded: Cannot record backup in the audit log: the database has no table pgkeep.change_log. Run `pgkeep install`.',
    ]);
    await runCli(['install'], settings);
    await query(bare, `CREATE ROLE dumper LOGIN PASSWORD 'pw'; GRANT pg_read_all_data TO dumper`);
    const weak = changedUrl(bare, { username: 'dumper', password: 'pw' });
    const refused = await runCli(['backup', '--json'], { ...settings, DATABASE_URL: weak });
    expect(refused.code).toBe(0);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      recorded: false,
      notRecorded:
        'Cannot record backup in the audit log: role "dumper" lacks INSERT on pgkeep.change_log, which must record every action. Run the command as the owner of schema pgkeep, or grant: GRANT INSERT ON pgkeep.change_log TO "dumper";',
    });
    await query(bare, 'ALTER DATABASE bare SET default_transaction_read_only = on');
    const readOnly = await runCli(['backup', '--json'], settings);
    expect(readOnly.code).toBe(0);
    expect(JSON.parse(readOnly.stdout)).toMatchObject({ recorded: true });
    await query(own.cluster.url('postgres'), 'ALTER DATABASE bare RESET default_transaction_read_only');
    await query(bare, 'ALTER TABLE pgkeep.change_log ADD CONSTRAINT closed CHECK (false) NOT VALID');
    const closed = await runCli(['backup', '--json'], settings);
    expect(closed.code).toBe(0);
    expect(JSON.parse(closed.stdout)).toMatchObject({
      recorded: false,
      notRecorded: expect.stringMatching(/violates check constraint "closed"/),
    });
    expect(JSON.parse((await runCli(['backup', 'list', '--json'], settings)).stdout).backups).toHaveLength(4);
  });

  it('fails to pin a backup that does not exist: exit 1', async () => {
    expect(await pgkeep('backup', 'pin', 'nope')).toEqual({
      code: 1,
      stdout: '',
      stderr: `Backup "nope" not found in ${directory}.\nRun \`pgkeep backup list\` to see the names.\n`,
    });
  });
});
