import type { Client } from 'pg';
import type { BackupService } from '../../backup/backup.service.js';
import type { Manifest } from '../../backup/backup.types.js';
import { omissionTexts } from '../../backup/omissions.js';
import { PGKEEP_VERSION } from '../../config/pgkeep-version.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { counted } from '../../core/text.js';
import type { DatabaseIdentity } from '../../environment/environment.types.js';
import { readIdentity } from '../../environment/stamp.js';
import { withConnection } from '../../postgres/connect.js';
import type { DatabaseService } from '../../postgres/database.service.js';
import type { ErasuresSince } from '../../privacy/replay/plan-replay.js';
import type { ReplayService } from '../../privacy/replay/replay.service.js';
import { failedComparison } from '../comparison/comparison.js';
import { ledgerSubject, readAt } from '../restore/erasures-since.js';
import { recordEvidence } from './evidence.js';
import { RestoreTestRun, type TestFindings } from './restore-test-run.js';
import type { Evidence, RestoreTestReport } from './restore-test.types.js';

/** The services that a test uses. */
interface Services {
  readonly settings: Settings;
  readonly backups: BackupService;
  readonly clock: Clock;
  readonly database: DatabaseService;
  readonly erasures: ReplayService;
}

/** What to test, who tests, and what stops it. */
interface Request {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly actor: string;
}

/** Tests one backup while it is claimed, and stores the evidence. @throws as `RestoreTestService.run`. */
export async function testBackup(services: Services, request: Request): Promise<RestoreTestReport> {
  const { name, signal } = request;
  return await services.backups.whileClaimed(name, { use: 'restore test', signal }, () =>
    testClaimed(services, request),
  );
}

async function testClaimed(services: Services, { name, signal, actor }: Request): Promise<RestoreTestReport> {
  const { settings, backups, clock, database } = services;
  const startedAt = clock.now();
  const manifest = await backups.manifest(name);
  const limit = AbortSignal.timeout(settings.restore.testTimeoutMs);
  const context = {
    settings,
    clock,
    timeouts: database.timeouts,
    guarded: await guardedIdentity(services),
    signal: AbortSignal.any([signal, limit]),
  };
  const findings = await backups
    .withArchive(name, context.signal, (file) => new RestoreTestRun(context, file).perform())
    .catch((error: unknown) => {
      signal.throwIfAborted();
      const kind = settings.restore.testUrl === undefined ? 'throw-away cluster' : 'fresh database';
      if (limit.aborted) return failed('restore', limitText(settings.restore.testTimeoutMs), kind);
      if (error instanceof PgkeepError && error.code === 'BACKUP_DAMAGED')
        return failed('archive', error.message, kind);
      throw error;
    });
  const finishedAt = clock.now();
  const erasures = await erasuresSince(services, manifest);
  const evidence = { ...toEvidence(manifest, findings, { startedAt, finishedAt }), erasures };
  const report = await recordEvidence(database, { evidence, actor });
  await backups.attach(manifest.name, 'restore-test', documentOf(report));
  return report;
}

/** Returns the document that is stored beside the backup: the evidence and its hash. */
function documentOf(report: RestoreTestReport): object {
  const { number: _number, notRecorded: _notRecorded, ...document } = report;
  return document;
}

function toEvidence(
  manifest: Manifest,
  { serverVersion, pgRestoreVersion, ...findings }: TestFindings,
  { startedAt, finishedAt }: { startedAt: Date; finishedAt: Date },
): Evidence {
  return {
    formatVersion: 1,
    backup: manifest.name,
    database: manifest.database,
    environment: manifest.environment,
    backupFinishedAt: manifest.finishedAt,
    verdict: findings.comparisons.every(({ ok }) => ok) ? 'passed' : 'failed',
    without: omissionTexts(manifest.without),
    ...findings,
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    durationMs: finishedAt.getTime() - startedAt.getTime(),
    versions: {
      pgkeep: PGKEEP_VERSION,
      pgRestore: pgRestoreVersion,
      server: serverVersion,
      dumpedServer: manifest.serverVersion,
      pgDump: manifest.toolVersions.pgDump,
    },
    archive: { name: manifest.archive, bytes: manifest.bytes, sha256: manifest.sha256 },
    previousHash: null,
  };
}

function failed(
  name: 'archive' | 'restore',
  details: string,
  restoredTo: TestFindings['restoredTo'],
): TestFindings {
  return {
    comparisons: [failedComparison(name, details)],
    tables: [],
    notes: [],
    restoreMs: null,
    compareMs: null,
    restoredTo,
    serverVersion: null,
    pgRestoreVersion: null,
  };
}

function limitText(timeoutMs: number): string {
  return `the test was stopped after ${counted(timeoutMs / 60_000, 'minute')} (RESTORE_TEST_TIMEOUT_MINUTES)`;
}

/** Returns undefined if the database does not answer: its backups can still be tested. */
async function guardedIdentity(services: Services): Promise<DatabaseIdentity | undefined> {
  return await onGuarded(services, (client) => readIdentity(client, services.database.timeouts)).catch(
    () => undefined,
  );
}

/** Returns null if neither the database nor copies beside the backups say it. */
async function erasuresSince(services: Services, manifest: Manifest): Promise<ErasuresSince | null> {
  const { settings, erasures } = services;
  const { database, environment } = manifest;
  const subject = ledgerSubject(manifest);
  const count = async (client: Client | undefined): Promise<ErasuresSince> =>
    await erasures.countSince(readAt(manifest), { database: client, subject });
  const ofCopies = async (): Promise<ErasuresSince | null> =>
    (await erasures.hasCopies(subject)) ? await count(undefined) : null;
  // Another database names other people by the same keys.
  const isOwn = settings.database.url.database === database && settings.environment === environment;
  try {
    return isOwn ? await onGuarded(services, count).catch(ofCopies) : await ofCopies();
  } catch {
    return null;
  }
}

async function onGuarded<T>(
  { settings, database }: Services,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { url, connectTimeoutMs } = settings.database;
  const options = {
    connectTimeoutMs,
    answerTimeoutMs: database.timeouts.statementTimeoutMs + 1000,
    applicationName: 'pgkeep restore test',
  };
  return await withConnection(url, options, work);
}
