import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { LedgerService } from '../../src/privacy/ledger/ledger.service.js';
import { backupDirectory } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { clinicMigrations } from '../support/clinic-project.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules } from '../support/policy.js';
import { withService } from '../support/services.js';
import { stockAge, stockKey } from '../support/stock-age.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const DELETED = `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'the letter of Ms. Wati');
  DELETE FROM users WHERE id = (SELECT max(p.user_id) FROM parents p WHERE NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id)); COMMIT`;

describe('the erasure ledger beside the backups', () => {
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
    // The seed has marked rows: the ledger begins with what happens from here on.
    await query(pristine, 'UPDATE users SET deleted_at = NULL; UPDATE parents SET deleted_at = NULL');
    await query(pristine, `UPDATE posyandus SET deleted_at = NULL; UPDATE sessions SET deleted_at = NULL`);
    await query(
      pristine,
      `BEGIN; SELECT set_config('pgkeep.reason', 'a test', true); UPDATE children SET deleted_at = NULL; COMMIT`,
    );
  });
  beforeEach(async () => {
    databases += 1;
    clinic = await createDatabase(own, `clinic_${databases}`, 'pristine');
    directory = backupDirectory();
    environment = { DATABASE_URL: clinic, BACKUP_DIR: directory, MIGRATIONS_DIR: clinicMigrations() };
  });
  afterAll(() => own.cluster.destroy());

  const ship = async (options = {}, more: Environment = {}) =>
    await withService(LedgerService, { ...environment, ...more }, (ledger) => ledger.ship(options));

  const place = (): string => path.join(directory, `clinic_${databases}_test.privacy`);

  it('holds one object for each action: names and keys, no value, no reason', async () => {
    const { rows } = await query(
      clinic,
      `SELECT max(p.user_id) AS id, max(p.id) AS parent FROM parents p WHERE NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id)`,
    );
    await query(clinic, DELETED);
    expect(await ship()).toEqual({ state: 'done', found: 0, shipped: 1, failures: [] });
    const [file = ''] = readdirSync(place());
    const [header, ...lines] = readFileSync(path.join(place(), file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(header).toEqual({
      format: 'pgkeep-erasures/1',
      database: `clinic_${databases}`,
      environment: 'test',
      salt: expect.stringMatching(/^[0-9a-f]{16}$/),
      id: file.replace('.jsonl', ''),
      openedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      action: 'hard-delete',
      actor: 'dpo',
      role: 'postgres',
      rows: 2,
    });
    expect(lines).toEqual([
      { table: 'public.parents', key: `{"id": ${rows[0].parent}}`, what: 'deleted' },
      { table: 'public.users', key: `{"id": ${rows[0].id}}`, what: 'deleted' },
    ]);
    expect(await ship()).toEqual({ state: 'done', found: 0, shipped: 0, failures: [] });
  });

  it('records and copies marks that the application set by itself, and their removal', async () => {
    await query(clinic, `UPDATE users SET deleted_at = now(), deleted_by = 'reception' WHERE id IN (5, 6)`);
    expect(await ship()).toMatchObject({ found: 2, shipped: 1 });
    const text = readdirSync(place()).map((file) => readFileSync(path.join(place(), file), 'utf8'))[0] ?? '';
    expect(text).toContain('"action":"found-mark","actor":"reception"');
    const { rows } = await query(
      clinic,
      `SELECT to_char(deleted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at FROM users WHERE id = 5`,
    );
    expect(text).toContain(
      `{"table":"public.users","key":"{\\"id\\": 5}","what":"marked","at":"${rows[0].at}"}`,
    );
    await query(clinic, 'UPDATE users SET deleted_at = NULL WHERE id = 6');
    expect(await ship()).toMatchObject({ found: 0, shipped: 0 });
    expect(await ship({ complete: true })).toMatchObject({ found: 1, shipped: 1 });
    const lines = await query(clinic, `SELECT key, what FROM pgkeep.privacy_row ORDER BY key, what`);
    expect(lines.rows).toEqual([
      { key: { id: 5 }, what: 'marked' },
      { key: { id: 6 }, what: 'marked' },
      { key: { id: 6 }, what: 'restored' },
    ]);
  });

  it('finds old marks by a complete search only, in batches', async () => {
    await query(clinic, `UPDATE users SET deleted_at = '2020-01-01T00:00Z'`);
    const { rows } = await query(clinic, 'SELECT count(*)::int AS n FROM users');
    expect(await ship()).toMatchObject({ found: 0 });
    expect(await ship({ complete: true })).toMatchObject({ found: rows[0].n });
    expect(await ship({ complete: true })).toMatchObject({ found: 0, shipped: 0 });
  });

  it('is written again where a place has lost it, or never had it', async () => {
    await query(clinic, DELETED);
    await ship();
    rmSync(place(), { recursive: true });
    expect(await ship()).toMatchObject({ shipped: 0 });
    expect(existsSync(place())).toBe(false);
    await ship({ complete: true });
    expect(readdirSync(place())).toHaveLength(1);
  });

  it('waits where a place does not take it, and is complete when it does', async () => {
    writeFileSync(place(), 'a file where the directory should be');
    await query(clinic, DELETED);
    const message = `Cannot write ${directory}: ENOTDIR`;
    expect(await ship()).toEqual({
      state: 'done',
      found: 0,
      shipped: 0,
      failures: [{ location: directory, message: expect.stringContaining(message.slice(0, 12)) }],
    });
    const { rows } = await query(clinic, 'SELECT shipped_at FROM pgkeep.privacy_action');
    expect(rows).toEqual([{ shipped_at: null }]);
    rmSync(place());
    expect(await ship()).toMatchObject({ shipped: 1, failures: [] });
  });

  it('is encrypted where backups are, and stock age decrypts it', async () => {
    const key = await stockKey(path.join(backupDirectory(), 'key.txt'));
    await query(clinic, DELETED);
    await ship({}, { BACKUP_ENCRYPTION_ENABLED: 'true', BACKUP_ENCRYPTION_KEY: key.recipient });
    const [file = ''] = readdirSync(place());
    expect(file).toMatch(/^[0-9a-f-]{36}\.jsonl\.age$/);
    const opened = path.join(backupDirectory(), 'opened.jsonl');
    await stockAge('--decrypt', '--identity', key.file, '--output', opened, path.join(place(), file));
    expect(readFileSync(opened, 'utf8').split('\n')[0]).toContain('"action":"hard-delete"');
    const read = async (more: Environment) =>
      await withService(LedgerService, { ...environment, ...more }, async (ledger) => {
        const [first] = await ledger.places();
        const [name = ''] = (await first?.keys())?.values() ?? [];
        return await first?.read(name);
      });
    await expect(read({})).rejects.toThrow(
      `clinic_${databases}_test.privacy/${file} in ${directory} is encrypted, and no key is set to decrypt it.`,
    );
    const entry = await read({
      BACKUP_ENCRYPTION_IDENTITY: readFileSync(key.file, 'utf8').match(/AGE-SECRET-KEY-\S+/)?.[0],
    });
    expect(entry?.lines).toHaveLength(2);
  });

  it('is no backup: it is neither listed nor pruned', async () => {
    await query(clinic, DELETED);
    expect((await runCli(['backup'], { ...environment, NODE_ENV: 'test' })).code).toBe(0);
    await ship();
    const pruned = await runCli(['backup', 'prune'], {
      ...environment,
      NODE_ENV: 'test',
      BACKUP_RETENTION_HOURS: '0',
    });
    expect(pruned.code).toBe(0);
    expect(readdirSync(place())).toHaveLength(1);
    const listed = await runCli(['backup', 'list', '--json'], environment);
    expect(JSON.parse(listed.stdout)).toMatchObject({ backups: [expect.anything()], unreadable: [] });
  });

  it('is copied by one process at a time', async () => {
    await query(clinic, DELETED);
    const states = await Promise.all([ship(), ship(), ship()]);
    expect(states.filter(({ state, shipped }) => state === 'done' && shipped === 1)).toHaveLength(1);
  });

  it('is not there where pgkeep is not installed', async () => {
    const bare = await createDatabase(own, `bare_${databases}`);
    expect(await ship({}, { DATABASE_URL: bare })).toEqual({
      state: 'none',
      found: 0,
      shipped: 0,
      failures: [],
    });
  });
});
