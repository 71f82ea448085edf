import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findTool, toolEnvironment } from '../src/backup/postgres-tools.js';
import type { Environment } from '../src/config/read-settings.js';
import { run } from '../src/core/process/run.js';
import { recordOverride } from '../src/guard/prisma/record-override.js';
import { backupDirectory } from './support/backups.js';
import { createDatabase, query } from './support/clinic.js';
import { emptyDirectory, runCli } from './support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from './support/throw-away-cluster.js';

const FIXTURE = path.resolve('test/fixtures/earlier-version');
const MANUAL = 'clinic_development_20261127_074000';
const ENCRYPTED = 'clinic_development_20261127_074002';

/** The actions of the fixture, in order. */
const ACTIONS =
  'install stamp backup deploy accept-drift backup restore-test backup restore-test pin globals'.split(' ');

describe('a database and backups of the version before the renames', () => {
  let own: ThrowAwayCluster;
  let application: string;
  let environment: Environment;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    application = emptyDirectory();
    const migrations = path.join(application, 'prisma/migrations');
    mkdirSync(migrations, { recursive: true });
    cpSync(path.join(FIXTURE, 'migrations'), migrations, { recursive: true });
    await load('earlier');
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(async () => {
    await query(own.cluster.url('postgres'), 'DROP DATABASE IF EXISTS clinic');
    const directory = backupDirectory();
    cpSync(path.join(FIXTURE, 'backups'), directory, { recursive: true });
    environment = {
      NODE_ENV: 'development',
      DATABASE_URL: await createDatabase(own, 'clinic', 'earlier'),
      BACKUP_DIR: directory,
      BACKUP_ENCRYPTION_IDENTITY: readFileSync(path.join(FIXTURE, 'identity.txt'), 'utf8').trim(),
    };
  });

  /** Loads the fixture with psql, as a plain dump is loaded. */
  async function load(name: string): Promise<void> {
    const url = await createDatabase(own, name);
    const psql = await findTool({ program: 'psql', atLeastMajor: 15, searchPath: process.env['PATH'] ?? '' });
    const dump = path.join(FIXTURE, 'database.sql');
    const argv = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url, '-f', dump];
    const { exitCode, stderrTail } = await run(psql.file, argv, { env: toolEnvironment(psql) });
    expect({ exitCode, stderrTail }).toEqual({ exitCode: 0, stderrTail: '' });
  }

  const pgkeep = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(argv, environment, { cwd: application });
    expect({ argv, code, stdout, stderr }).toEqual({ argv, code: 0, stdout, stderr });
    return stdout;
  };
  const install = (): Promise<string> => pgkeep('install');
  const entries = async (): Promise<{ seq: number; action: string; deed: string }[]> =>
    JSON.parse(await pgkeep('changelog', '--json', '--limit', '100')).entries;
  const actions = async (): Promise<string[]> => (await entries()).map(({ action }) => action);
  const verify = async () => JSON.parse(await pgkeep('changelog', '--verify', '--json'));
  const columns = async (): Promise<string[]> => {
    const { rows } = await query(
      own.cluster.url('clinic'),
      `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = 'pgkeep' AND column_name IN ('action', 'deed') ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  describe.each([
    ['before `pgkeep install`', [], ['catalogue_fingerprint.deed', 'change_log.deed']],
    [
      'after `pgkeep install`',
      ['install'],
      ['catalogue_fingerprint.action', 'change_log.action', 'privacy_action.action'],
    ],
  ])('%s', (_when, installed, names) => {
    beforeEach(async () => {
      if (installed.length > 0) await install();
    });

    it('lists and verifies the audit log, and records new actions in it', async () => {
      expect(await columns()).toEqual(names);
      expect(await actions()).toEqual([...ACTIONS, ...installed]);
      expect((await entries()).every(({ action, deed }) => action === deed)).toBe(true);
      const count = ACTIONS.length + installed.length;
      expect(await verify()).toMatchObject({ verdict: 'whole', entries: count, findings: [] });

      expect(await pgkeep('stamp', 'development')).toContain('is now stamped development');
      expect(JSON.parse(await pgkeep('backup', '--json'))).toMatchObject({ recorded: true });
      expect(JSON.parse(await pgkeep('restore', 'test', '--json'))).toMatchObject({
        verdict: 'passed',
        number: 3,
      });
      const override = { database: 'clinic', command: 'db push', refused: '…', environment: 'development' };
      await recordOverride(own.cluster.url('clinic'), { ...override, via: 'prisma.config.ts' });
      const added = ['stamp', 'backup', 'restore-test', 'guard-override'];
      expect(await actions()).toEqual([...ACTIONS, ...installed, ...added]);
      expect(await verify()).toMatchObject({ verdict: 'whole', entries: count + added.length });
    });

    it('deploys nothing, finds no drift, accepts new drift, and rolls back', async () => {
      await pgkeep('stamp', 'development');
      expect(await pgkeep('migrate', 'deploy')).toContain('Nothing to deploy');
      expect(JSON.parse(await pgkeep('migrate', 'drift', '--json'))).toMatchObject({
        verdict: 'none',
        recorded: { action: 'accept', migrations: ['20260101000000_init', '20260102000000_visits'] },
        objects: [],
      });
      await query(own.cluster.url('clinic'), 'CREATE INDEX by_name ON "Patient" ("name")');
      expect(JSON.parse(await pgkeep('migrate', 'drift', '--accept', '--json'))).toMatchObject({
        changed: true,
        recorded: true,
        objects: [{ object: 'index by_name', change: 'added' }],
      });
      await query(own.cluster.url('clinic'), 'DELETE FROM "Visit"');
      await pgkeep('migrate', 'rollback');
      expect((await actions()).slice(ACTIONS.length + installed.length)).toEqual([
        'stamp',
        'accept-drift',
        'backup',
        'rollback',
      ]);
      expect(await verify()).toMatchObject({ verdict: 'whole' });
      expect(JSON.parse(await pgkeep('restore', 'history', '--json'))).toMatchObject({
        total: 2,
        chainFault: null,
      });
    });

    it('restores its backup, and carries over what was recorded since', async () => {
      await pgkeep('stamp', 'development');
      const before = await actions();
      await pgkeep('backup', 'verify', MANUAL);
      await pgkeep('backup', 'verify', ENCRYPTED);
      await pgkeep('restore', ENCRYPTED);
      const { rows } = await query(own.cluster.url('clinic'), 'SELECT name FROM "Patient" ORDER BY id');
      expect(rows.map(({ name }) => name)).toEqual(['Ada', 'Blaise', 'Carl']);
      // The restore upgraded pgkeep's schema, which the backup has in its earlier form.
      expect(await columns()).toEqual([
        'catalogue_fingerprint.action',
        'change_log.action',
        'privacy_action.action',
      ]);
      expect(await actions()).toEqual([...before, 'backup', 'restore']);
      expect(await verify()).toMatchObject({ verdict: 'whole' });
    });
  });

  it('is also verified after `pgkeep install` by the documented query', async () => {
    await install();
    const sql = /```sql\n([\s\S]+?)```/.exec(readFileSync('docs/audit-log.md', 'utf8'))?.[1] ?? '';
    const { rows } = await query(own.cluster.url('clinic'), sql);
    expect(rows).toHaveLength(ACTIONS.length + 1);
    expect(rows.every(({ fits }) => fits === true)).toBe(true);
  });
});
