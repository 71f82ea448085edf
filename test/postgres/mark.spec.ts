import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { BackupService } from '../../src/backup/backup.service.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { DeployService, RollbackService } from '../../src/deploy/deploy.service.js';
import { DriftService } from '../../src/drift/drift.service.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { LintService } from '../../src/migrations/lint/lint.service.js';
import { withConnection } from '../../src/postgres/connect.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { StatsService } from '../../src/stats/stats.service.js';
import { createClinic } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { withApp } from '../support/evaluate.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

let own: ThrowAwayCluster;
let url: string;

beforeAll(async () => {
  own = await startThrowAwayCluster({ settings: { log_statement: 'all', log_line_prefix: '[%a] ' } });
  url = await createClinic(own, 'clinic', { seeded: true });
});

afterAll(() => own.cluster.destroy());

/** The statements of pgkeep's sessions, as the server logged them, without those of PostgreSQL's programs. */
function statements(): string[] {
  const log = readFileSync(own.cluster.logFile, 'utf8');
  return [...log.matchAll(/^\[(pgkeep[^\]]*)\] LOG: {2}(?:statement|execute [^:]+): (.*)$/gm)]
    .filter(([, application = '']) => !/pg_dump|pg_restore|psql/.test(application))
    .map(([, application = '', text = '']) => `${application}: ${text}`);
}

it('begins every statement of every flow, including prepared ones and the readiness probe', async () => {
  const application = new DeployedApplication(url).add(
    '20270101000000_notes',
    'CREATE TABLE notes (id int);\nCREATE INDEX ON notes (id);',
    'DROP TABLE notes;',
  );
  const environment = {
    DATABASE_URL: url,
    MIGRATIONS_DIR: application.migrations,
    BACKUP_DIR: `${application.directory}/backups`,
    PATH: process.env['PATH'] ?? '',
  };
  await withApp(environment, async (app) => {
    await app.get(InstallService).install();
    await app.get(StampService).stamp('test');
    await app.get(ReadinessService).evaluate();
    await app.get(StatsService).collect('exact');
    await app.get(JobsService).register([{ name: 'backup', schedule: 'off' }]);
    await app.get(LintService).lint();
    await app.get(DeployService).deploy();
    await app.get(DriftService).report();
    await app.get(RollbackService).rollback({ lose: ['notes'], withoutBackup: true });
    const { name } = await app.get(BackupService).create({ reason: 'manual' });
    await app.get(RestoreService).restore({ source: name });
  });
  const said = statements();
  expect(new Set(said.map((line) => line.slice(0, line.indexOf(':'))))).toEqual(
    new Set([
      'pgkeep',
      'pgkeep backup',
      'pgkeep deploy',
      'pgkeep deploy apply',
      'pgkeep erasure ledger',
      'pgkeep install',
      'pgkeep lint',
      'pgkeep readiness',
      'pgkeep restore',
      'pgkeep restore test',
      'pgkeep rollback',
      'pgkeep schema engine',
    ]),
  );
  expect(said.filter((line) => !/^[^:]+: \/\* pgkeep \*\/ /.test(line))).toEqual([]);
  // Each statement of a multi-statement message, because pg_stat_statements separates them.
  const begun = said.filter((line) => line.includes('SET LOCAL'));
  expect(begun.length).toBeGreaterThan(20);
  expect(begun.filter((line) => /; (?!\/\* pgkeep \*\/ )/.test(line))).toEqual([]);
});

it('does not shift positions in the server’s errors', async () => {
  const options = { connectTimeoutMs: 5000, answerTimeoutMs: 5000, applicationName: 'pgkeep test' };
  await withConnection(parseDatabaseUrl(url), options, async (client) => {
    await expect(client.query('SELECT nothing')).rejects.toMatchObject({ position: '8' });
    await expect(client.query('SELECT $1::int + nothing', [1])).rejects.toMatchObject({ position: '18' });
  });
});
