import { cpSync, mkdtempSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operator } from '../../src/audit-log/append.js';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { InstallService, StartupInstall } from '../../src/install/install.service.js';
import { OWN_MIGRATIONS_DIRECTORY, OWN_SCHEMA } from '../../src/migrations/history/migration-directory.js';
import { applyMigrations } from '../../src/migrations/schema-engine.js';
import { withApp } from '../support/app.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { OWN_MIGRATIONS } from '../support/own-migrations.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const FIRST = '20261120080000_database_environment';
const SECOND = '20261120100000_change_log';

describe('the actions that are recorded', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const entriesOf = async (url: string) =>
    (await withApp(url, (app) => app.get(AuditLogService).list(100))).entries;

  /** A database as the first version of pgkeep left it. */
  async function createOld(name: string): Promise<string> {
    const url = await createDatabase(own, name);
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-migrations-'));
    for (const part of ['migration_lock.toml', FIRST]) {
      cpSync(path.join(OWN_MIGRATIONS_DIRECTORY, part), path.join(directory, part), { recursive: true });
    }
    await applyMigrations({ database: { ...parseDatabaseUrl(url), schema: OWN_SCHEMA }, directory });
    return url;
  }

  it('include install and stamp, once each, with who ran them', async () => {
    const url = await createDatabase(own, 'fresh');
    await withApp(url, async (app) => {
      await app.get(InstallService).install();
      await app.get(InstallService).install();
      await app.get(StampService).stamp('staging');
      await app.get(StampService).stamp('staging');
      await app.get(StampService).stamp('production', { replace: true, target: 'fresh' });
      await expect(app.get(StampService).stamp('development')).rejects.toMatchObject({
        code: 'STAMP_REFUSED',
      });
    });
    const { rows } = await query(url, 'SELECT * FROM pgkeep.database_environment');
    const identity = {
      systemIdentifier: rows[0]?.system_identifier,
      databaseOid: String(rows[0]?.database_oid),
    };
    const common = { subject: 'fresh', role: 'postgres', actor: operator() };
    expect(await entriesOf(url)).toMatchObject([
      { ...common, action: 'install', details: { applied: OWN_MIGRATIONS } },
      { ...common, action: 'stamp', details: { from: null, to: 'staging', replaced: false, ...identity } },
      {
        ...common,
        action: 'stamp',
        details: { from: 'staging', to: 'production', replaced: true, ...identity },
      },
    ]);
  });

  it('include what the service does automatically, with the service as actor', async () => {
    const url = await createDatabase(own, 'served');
    await withApp(url, (app) => app.get(StartupInstall).run(), { NODE_ENV: 'production' });
    expect((await entriesOf(url)).map(({ action, actor }) => [action, actor])).toEqual([
      ['install', `service@${hostname()}`],
      ['stamp', `service@${hostname()}`],
    ]);
  });

  it('include an upgrade from a version without an audit log', async () => {
    const url = await createOld('old');
    await withApp(url, async (app) => {
      await expect(app.get(StampService).stamp('staging')).rejects.toMatchObject({
        code: 'NOT_INSTALLED',
        message:
          'Cannot stamp the database: its schema pgkeep is of an earlier version and has no audit log. Nothing was changed.',
        hint: 'Run `pgkeep install`, then `pgkeep stamp staging`.',
      });
      expect(await app.get(InstallService).install()).toEqual({ applied: OWN_MIGRATIONS.slice(1) });
      expect(await app.get(StampService).stamp('staging')).toMatchObject({ changed: true });
    });
    expect((await entriesOf(url)).map(({ action, details }) => [action, details])).toMatchObject([
      ['install', { applied: OWN_MIGRATIONS.slice(1) }],
      ['stamp', { to: 'staging' }],
    ]);
  });

  it('roll back a stamp that cannot be recorded', async () => {
    const url = await createDatabase(own, 'unrecorded');
    await withApp(url, (app) => app.get(InstallService).install());
    await query(
      url,
      `CREATE ROLE "stamp er" LOGIN PASSWORD 'pw'; GRANT ALL ON pgkeep.database_environment TO "stamp er"`,
    );
    const weak = changedUrl(url, { username: 'stamp%20er', password: 'pw' });
    const stamp = () => withApp(weak, (app) => app.get(StampService).stamp('staging'));
    await expect(stamp()).rejects.toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message:
        'Cannot stamp the database: role "stamp er" lacks INSERT on pgkeep.change_log, which must record every action.',
      hint: 'Run the command as the owner of schema pgkeep, or grant: GRANT INSERT ON pgkeep.change_log TO "stamp er";',
    });
    await query(
      url,
      `GRANT INSERT ON pgkeep.change_log TO "stamp er";
       ALTER TABLE pgkeep.change_log ADD CONSTRAINT no_more CHECK (action <> 'stamp')`,
    );
    await expect(stamp()).rejects.toMatchObject({ code: 'DATABASE_ERROR' });
    // One transaction: an action that cannot be recorded is rolled back.
    expect((await query(url, 'SELECT FROM pgkeep.database_environment')).rowCount).toBe(0);
    await query(url, 'ALTER TABLE pgkeep.change_log DROP CONSTRAINT no_more');
    expect(await stamp()).toMatchObject({ changed: true });
  });

  it('roll back a migration that cannot be recorded', async () => {
    const url = await createDatabase(own, 'half');
    await withApp(url, (app) => app.get(InstallService).install());
    await query(
      url,
      `CREATE ROLE half LOGIN PASSWORD 'pw'; GRANT CREATE ON SCHEMA pgkeep TO half;
       GRANT SELECT, INSERT, UPDATE ON pgkeep._prisma_migrations TO half;
       DELETE FROM pgkeep._prisma_migrations WHERE migration_name = '${SECOND}'`,
    );
    const weak = changedUrl(url, { username: 'half', password: 'pw' });
    await expect(withApp(weak, (app) => app.get(InstallService).install())).rejects.toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message:
        'Cannot install schema pgkeep: role "half" lacks INSERT on pgkeep.change_log, which must record every action.',
    });
  });
});
