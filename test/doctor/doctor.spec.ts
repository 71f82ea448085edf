import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { BackupService } from '../../src/backup/backup.service.js';
import type { Settings } from '../../src/config/settings.js';
import { SETTINGS } from '../../src/config/settings.token.js';
import { REMOTE_STORAGES, type RemoteStorages } from '../../src/storage/storage.types.js';
import type { DoctorLine, DoctorReport } from '../../src/doctor/doctor.types.js';
import { BackupLines } from '../../src/doctor/groups/backup-lines.js';
import { MaintenanceService } from '../../src/maintenance/maintenance.service.js';
import { DatabaseService } from '../../src/postgres/database.service.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query, verified } from '../support/clinic.js';
import { clockShiftedBy } from '../support/clock-shifted-by.js';
import { FakeGcsServer } from '../support/fake-gcs-server.js';
import { changedUrl } from '../support/guarded-database.js';
import { withApp } from '../support/app.js';
import { runExecutable } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { ExampleApplication, INIT, INIT_SCRIPT } from './example-application.js';

/** For code that runs in this process: the bucket's client keeps connections open. */
function withoutBucket(environment: Environment): Environment {
  return { ...environment, BACKUP_UPLOAD_ENABLED: 'false' };
}

describe('pgkeep doctor', () => {
  let own: ThrowAwayCluster;
  let application: ExampleApplication;
  let bucket: FakeGcsServer;
  let url: string;
  let production: Environment;
  const directory = backupDirectory();

  const run = async (argv: readonly string[], environment: Environment = production): Promise<string> => {
    const { code, stdout, stderr } = await application.pgkeep(argv, environment);
    expect({ argv, code, stdout, stderr }).toEqual({ argv, code: 0, stdout, stderr });
    return stdout;
  };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    application = await ExampleApplication.create();
    bucket = await FakeGcsServer.start('clinic-backups');
    bucket.isOpen = true;
    url = await createDatabase(own, 'clinic');
    await createDatabase(own, 'staging');
    application.write('.env.staging', `DATABASE_URL=${own.cluster.url('staging')}\n`);
    production = {
      NODE_ENV: 'production',
      DATABASE_URL: verified(own, url),
      DATABASE_MAX_CONNECTIONS: '20',
      BACKUP_ENABLED: 'true',
      BACKUP_RETENTION_DAYS: '30',
      BACKUP_DIR: directory,
      BACKUP_UPLOAD_ENABLED: 'true',
      GCS_BACKUP_BUCKET: bucket.bucket,
      STORAGE_EMULATOR_HOST: bucket.url,
      // Not due while the test runs.
      BACKUP_SCHEDULE: '0 0 29 2 *',
      RESTORE_TEST_SCHEDULE: '0 0 29 2 *',
      READINESS_TIMEOUT_MS: '3000',
    };
    await run(['install']);
    await run(['stamp', 'production']);
    await run(['migrate', 'deploy']);
    await run(['migrate', 'deploy', '--without-backup', '--env', 'staging'], {});
    await run(['install', '--ddl-guard']);
    await run(['backup']);
    await run(['restore', 'test']);
    await withApp(url, (app) => app.get(MaintenanceService).step(), withoutBucket(production));
  });
  afterAll(async () => {
    application.remove();
    await bucket.close();
    await own.cluster.destroy();
  });

  /** Everything that the doctor could have changed, except the server's statistics. */
  const stateOf = async (): Promise<unknown> => {
    const files = [application.directory, directory].flatMap((top) =>
      readdirSync(top, { recursive: true, encoding: 'utf8' })
        .filter((file) => !file.includes('node_modules') && !file.startsWith('.git'))
        .map((file) => [file, statSync(path.join(top, file)).mtimeMs]),
    );
    const { rows } = await query(
      url,
      `SELECT (SELECT json_agg(l) FROM pgkeep.change_log l) AS log, (SELECT json_agg(j) FROM pgkeep.job j) AS jobs,
              (SELECT json_agg(r) FROM pgkeep.job_run r) AS runs, (SELECT json_agg(t) FROM pgkeep.restore_test t) AS tests,
              (SELECT json_agg(e) FROM pgkeep.database_environment e) AS stamp,
              (SELECT json_agg(c.oid ORDER BY c.oid) FROM pg_class c) AS relations,
              (SELECT json_agg(datname ORDER BY oid) FROM pg_database) AS databases,
              (SELECT json_agg(rolname ORDER BY oid) FROM pg_roles) AS roles`,
    );
    return { files, rows };
  };

  /** Breaks a copy of the database. */
  const broken = async (name: string, sql: string): Promise<Environment> => {
    const copy = await createDatabase(own, name, 'clinic');
    await query(copy, sql);
    return { ...production, DATABASE_URL: verified(own, copy) };
  };

  const found = (lines: Record<string, DoctorLine>, names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => {
        const { status, details, next } = lines[name] ?? { status: 'missing', details: '', next: null };
        return [name, [status, details, next]];
      }),
    );

  it('passes a production database that follows the guides', async () => {
    const before = await stateOf();
    bucket.requests.length = 0;
    const { code, report, lines } = await application.doctor(production);
    expect(bucket.requests.filter((request) => !request.startsWith('GET '))).toEqual([]);
    expect(await stateOf()).toEqual(before);
    expect(report.groups.flatMap((group) => group.lines).filter(({ status }) => status !== 'ok')).toEqual([]);
    expect({ code, verdict: report.verdict, environment: report.environment }).toEqual({
      code: 0,
      verdict: 'passed',
      environment: 'production',
    });
    expect(report.groups.map(({ heading, lines: { length } }) => [heading, length])).toEqual([
      ['Before committing schema changes', 6],
      ['Before deployment', 16],
      ['After deployment', 6],
      ['Every 90 days', 4],
    ]);
    expect(lines).toMatchObject({
      tls: { details: 'TLSv1.3, verified' },
      rights: { details: 'role "postgres" has every right that the features need' },
      'ddl-guard': { details: 'on' },
      committed: { details: 'prisma/migrations' },
      staging: { details: '1 applied in staging' },
      history: { details: '1 applied, 0 pending' },
      'off-site': {
        details: 'gs://clinic-backups can be listed; the next upload shows whether it can be written',
      },
      ready: { details: 'ready' },
      migrations: { details: '1/1 migrations applied' },
      evidence: { details: '1 restore test' },
    });
  });

  it('fails each broken line about settings and storages, with the next command', async () => {
    const file = path.join(application.directory, 'package.json');
    writeFileSync(file, '{}');
    const { code, lines } = await application.doctor({
      ...production,
      DATABASE_URL: `${url}?sslmode=require`,
      DATABASE_MAX_CONNECTIONS: undefined,
      BACKUP_RETENTION_DAYS: undefined,
      BACKUP_DIR: path.join(file, 'backups'),
      GCS_BACKUP_BUCKET: 'gone',
      BACKUP_RETENTON: '3',
    });
    expect(code).toBe(1);
    expect(
      found(lines, [
        'settings',
        'tls',
        'limits',
        'backup-settings',
        'storage',
        'off-site',
        'ready',
        'newest-backup',
      ]),
    ).toEqual({
      settings: [
        'ok',
        'every setting is valid; BACKUP_RETENTON is not a setting of pgkeep and is ignored: this version has no setting of that name.',
        null,
      ],
      tls: [
        'fail',
        'TLSv1.3, not verified',
        'add sslmode=verify-full, and sslrootcert where the authority is your own, to DATABASE_URL',
      ],
      limits: [
        'fail',
        'DATABASE_MAX_CONNECTIONS must be set in production; the server’s certificate is not verified: set sslmode=verify-full',
        'npx pgkeep ready\nsee docs/checks.md#max_connections_unset',
      ],
      'backup-settings': ['fail', 'BACKUP_RETENTION_DAYS is not set', 'set BACKUP_RETENTION_DAYS=30'],
      storage: [
        'fail',
        `this user may not write to ${file}`,
        `let BACKUP_DIR name a directory that this user may write to, or: chown ${process.getuid?.()} ${file}`,
      ],
      'off-site': ['fail', 'Cannot list gs://gone: the bucket does not exist', expect.any(String)],
      ready: ['fail', expect.stringMatching(/^not ready: databaseSafety, backupConfig/), 'npx pgkeep ready'],
      'newest-backup': ['fail', expect.any(String), expect.any(String)],
    });
  });

  it('fails each broken line about the database, with the next command', async () => {
    application.addMigration('20260102000000_born', 'ALTER TABLE "Child" ADD COLUMN "born" TIMESTAMP(3);\n');
    application.addMigration(INIT, `${INIT_SCRIPT}SELECT 1;\n`);
    const environment = await broken(
      'broken',
      `CREATE INDEX by_hand ON "Child" ("name");
       UPDATE pgkeep.database_environment SET environment = 'staging';
       ALTER EVENT TRIGGER pgkeep_ddl_guard DISABLE;
       UPDATE pgkeep.job SET since = now() - interval '9 years';
       ALTER TABLE pgkeep.change_log DISABLE TRIGGER ALL;
       UPDATE pgkeep.change_log SET actor = 'another actor' WHERE seq = 2;
       ALTER TABLE pgkeep.restore_test DISABLE TRIGGER ALL;
       UPDATE pgkeep.restore_test SET verdict = 'failed'`,
    );
    const { code, lines } = await application.doctor({ ...environment, RESTORE_TEST_SCHEDULE: 'off' });
    expect(code).toBe(1);
    const names = [
      'stamp',
      'ddl-guard',
      'committed',
      'staging',
      'history',
      'schedule',
      'migrations',
      'drift',
    ];
    expect(
      found(lines, [...names, 'newest-backup', 'copies', 'backups', 'restore-test', 'evidence', 'audit-log']),
    ).toEqual({
      stamp: [
        'fail',
        'The database is stamped staging, but this service runs as production: point DATABASE_URL at the production database, or set NODE_ENV=staging; the stamp was written in another database, so this one is a copy: run `pgkeep stamp production` once you know what the copy is for',
        'npx pgkeep ready\nsee docs/checks.md#environment_mismatch',
      ],
      'ddl-guard': ['fail', 'switched off', 'npx pgkeep install --ddl-guard'],
      committed: [
        'fail',
        'not committed: prisma/migrations/20260101000000_init/migration.sql, prisma/migrations/20260102000000_born/migration.sql',
        'git add prisma/migrations && git commit',
      ],
      staging: [
        'fail',
        'not applied in staging: 20260102000000_born',
        'npx pgkeep migrate deploy --env staging',
      ],
      history: ['fail', `changed after they were applied: ${INIT}`, 'npx pgkeep migrate lint'],
      schedule: [
        'fail',
        expect.stringMatching(/^backup is overdue since \d{4}-02-29T00:00:00\.000Z: no service runs it$/),
        'npm run start:prod, or BACKUP_SCHEDULE=off and a cron job for npx pgkeep backup',
      ],
      migrations: [
        'fail',
        expect.stringMatching(/^Migration issues: 1 pending, 1 edited/),
        'npx pgkeep migrate deploy\nsee docs/checks.md#migrations_pending',
      ],
      drift: ['fail', '1 object: added index by_hand public."Child"', 'npx pgkeep migrate drift'],
      'newest-backup': ['fail', 'there is no backup of this database as production', 'npx pgkeep backup'],
      copies: ['skip', 'there is no backup', null],
      backups: [
        'fail',
        expect.stringContaining('There is no backup'),
        'npx pgkeep backup\nsee docs/checks.md#backup_missing',
      ],
      'restore-test': [
        'fail',
        expect.stringMatching(/^clinic_production_\d+_\d+ failed on /),
        'npx pgkeep restore test && npx pgkeep restore history',
      ],
      evidence: ['fail', 'evidence 1 was changed after it was recorded', 'npx pgkeep restore history'],
      'audit-log': [
        'fail',
        expect.stringContaining('entry 2 was changed after it was recorded'),
        'npx pgkeep changelog --verify',
      ],
    });
  });

  it('names the grants that features lack, and passes once they are granted', async () => {
    const environment = await broken(
      'least',
      `CREATE ROLE least LOGIN PASSWORD 'least-secret';
       GRANT SELECT ON _prisma_migrations TO least;
       REVOKE SELECT ON pgkeep.catalogue_fingerprint, pgkeep.database_environment FROM PUBLIC;
       REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`,
    );
    const least = changedUrl(environment['DATABASE_URL'] ?? '', {
      username: 'least',
      password: 'least-secret',
    });
    const asLeast = { ...environment, DATABASE_URL: least };
    const { rights } = (await application.doctor(asLeast)).lines;
    expect(rights).toMatchObject({
      status: 'fail',
      details: 'role "least" lacks rights for: drift, environment, backups, audit log, jobs, restore tests',
    });
    const grants = [...(rights?.next ?? '').matchAll(/GRANT [^;]+;/g)].map(([grant]) => grant);
    await query(own.cluster.url('least'), grants.join('\n'));
    expect((await application.doctor(asLeast)).lines['rights']).toMatchObject({
      status: 'ok',
      details: 'role "least" has every right that the features need',
    });
  });

  it('skips lines that need the database while it is down or does not answer', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    for (const [at, reason] of [
      ['127.0.0.1:1', 'ECONNREFUSED'],
      [`127.0.0.1:${port}`, 'within'],
    ]) {
      const { code, report, lines } = await application.doctor({
        ...production,
        DATABASE_URL: `postgresql://pgkeep@${at}/clinic`,
      });
      expect(code).toBe(1);
      expect(lines['database']).toMatchObject({
        status: 'fail',
        details: expect.stringContaining(reason ?? ''),
      });
      expect(report.groups.flatMap((group) => group.lines.map(({ status }) => status))).toHaveLength(32);
      for (const name of ['tls', 'stamp', 'rights', 'clock', 'history', 'drift', 'audit-log']) {
        expect(lines[name]).toMatchObject({
          status: 'skip',
          details: 'not checked: the database did not answer',
        });
      }
      expect(found(lines, ['off-site', 'backup-settings', 'lint'])).toMatchObject({
        'off-site': { 0: 'ok' },
        'backup-settings': { 0: 'ok' },
        lint: { 0: 'ok' },
      });
    }
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('reports which settings are invalid', async () => {
    const environment = { ...production, DATABASE_MAX_CONNECTIONS: 'many', BACKUP_RETENTION_DAYS: '-3' };
    const { code, stdout } = await application.pgkeep(['doctor'], environment);
    expect(code).toBe(1);
    expect(stdout).toContain('FAIL  settings  2 settings are invalid');
    expect(stdout).toContain('DATABASE_MAX_CONNECTIONS');
    expect(stdout).toContain('The other lines need valid settings and were not checked.');
    expect(stdout).toContain('1 of 1 checks failed: 0 ok.');
  });

  it('fails clocks that disagree', async () => {
    const environment = { ...production, NODE_OPTIONS: clockShiftedBy(60) };
    const { stdout } = await runExecutable(['doctor', '--json'], environment, { cwd: application.directory });
    const report: DoctorReport = JSON.parse(stdout);
    const clock = report.groups.flatMap(({ lines }) => lines).find(({ name }) => name === 'clock');
    expect(clock).toMatchObject({
      status: 'fail',
      details: expect.stringMatching(/^this machine is (?:59\.9|60|60\.1) s ahead of the database server$/),
      next: 'keep both in time with NTP: timedatectl set-ntp true',
    });
  });

  it('fails programs older than the server', async () => {
    await withApp(
      url,
      async (app) => {
        const server = { ...(await app.get(DatabaseService).ping()), version: '99.1' };
        const facts = { server, serverFault: undefined, verdict: { status: 'ready', checks: {} } } as const;
        const backups = new BackupLines(
          app.get<Settings>(SETTINGS),
          app.get<RemoteStorages>(REMOTE_STORAGES, { strict: false }),
          app.get(DatabaseService),
          app.get(BackupService),
          app.get(MaintenanceService),
        );
        const tools = backups.lines(facts).find(({ name }) => name === 'tools');
        await expect(tools?.check(new AbortController().signal)).rejects.toThrow(
          /^Cannot find pg_(?:dump|restore) of PostgreSQL 99 or newer on this machine; found: /,
        );
      },
      withoutBucket(production),
    );
  });
});
