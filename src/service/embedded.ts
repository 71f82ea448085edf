import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { service } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { BackupService } from '../backup/backup.service.js';
import { startEmbeddedCluster } from '../cluster/embedded-cluster.js';
import {
  removeEmbeddedLocation,
  STATE_DIRECTORY,
  writeEmbeddedLocation,
} from '../cluster/embedded-location.js';
import { withDefaults } from '../config/process-environment.js';
import { type Environment, readSettings } from '../config/read-settings.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { type Clock, SystemClock } from '../core/clock.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { DriftService } from '../drift/drift.service.js';
import { StampService } from '../environment/stamp.service.js';
import { InstallService } from '../install/install.service.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import { RunningJobs } from '../maintenance/running-jobs.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { PolicyService } from '../policy/policy.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import { CLINIC_MIGRATIONS, openClinic } from './clinic.js';
import type { Companion } from './serve.js';

/** The embedded default: a PostgreSQL that pgkeep starts, with the database of the sample clinic. */
export interface Embedded {
  /** The environment to serve with: the given one, and what leads to the embedded database. */
  readonly environment: Environment & { readonly DATABASE_URL: string };
  readonly companion: Companion;
}

/**
 * Starts the embedded PostgreSQL below the working directory, creates the clinic the first time, installs schema pgkeep,
 * stamps the database and applies the clinic's rules for rows. It stops with `companion.stop()`, or with this process.
 * @throws PgkeepError as `startEmbeddedCluster` does.
 */
export async function startEmbedded(
  environment: Environment,
  clock: Clock = new SystemClock(),
): Promise<Embedded> {
  const stateDirectory = path.resolve(STATE_DIRECTORY);
  const name = databaseName(environment);
  const embedded = await startEmbeddedCluster(stateDirectory, {
    searchPath: environment['PATH'] ?? '',
    now: clock.now(),
  });
  const companion: Companion = {
    stop: async () => {
      removeEmbeddedLocation(stateDirectory);
      await embedded.cluster.stop();
    },
  };
  try {
    const url = await openClinic(embedded, name);
    const settings = {
      MIGRATIONS_DIR: CLINIC_MIGRATIONS,
      BACKUP_ENABLED: 'true',
      BACKUP_RETENTION_DAYS: '7',
      BACKUP_DIR: path.join(stateDirectory, 'backups'),
      DB_MONITORING_ENABLED: 'true',
    };
    const defaults = {
      ...settings,
      ADMIN_API_TOKEN: adminToken(stateDirectory),
      DB_MONITORING_ENABLED: 'true',
    };
    const complete = { ...withDefaults(environment, defaults), DATABASE_URL: url };
    await prepare(complete, clock);
    writeEmbeddedLocation(stateDirectory, { url, settings });
    return { environment: complete, companion };
  } catch (error) {
    await companion.stop();
    throw error;
  }
}

/** Returns the name of the database: one for each environment, because each has its own stamp. */
function databaseName({ NODE_ENV: name }: Environment): string {
  return !name || name === 'development' ? 'clinic' : `clinic_${name}`;
}

/** Returns the admin token of this directory, created the first time, so that the admin routes can be tried. */
function adminToken(stateDirectory: string): string {
  const file = path.join(stateDirectory, 'admin-token');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

async function prepare(environment: Environment, clock: Clock): Promise<void> {
  const settings = readSettings(environment);
  const database = new DatabaseService(settings);
  try {
    await new InstallService(settings, database, new AuditLogService(database)).install(service());
    await new StampService(settings, database, clock).stampIfUnstamped(settings.environment, service());
    // The clinic was migrated without a deploy: its current structure is the expected one.
    await new DriftService(settings, database, new MigrationsService(settings, database)).recordFirst();
    // The rules that the clinic's Prisma schema declares. `/ready` reports what could not be applied.
    const beside = { ...settings, prisma: { kind: 'no-configuration' } as const };
    await new PolicyService(beside, database).applyIfDeclared({ actor: service() });
  } finally {
    await database.onApplicationShutdown();
  }
}

/** Gives the dashboard something to show: an hour of history before the first start, and traffic from now on. */
export async function showDemo(url: string, clock: Clock = new SystemClock()): Promise<void> {
  const { DemoTraffic, recordDemoHour } = await import('./demo-traffic.js');
  try {
    await recordDemoHour(url, clock.now());
    DemoTraffic.start(url, clock);
  } catch (error) {
    // The demo works without it.
    new Logger('Demo').warn(`The demo has no traffic: ${messageOf(error)}`);
  }
}

/**
 * Makes a first backup and tests its restore, where there is none yet, so that `/ready` passes from the first minute.
 * Only for the embedded database; others have their schedule.
 */
export async function makeFirstBackup(app: INestApplicationContext): Promise<void> {
  const { backup } = app.get<Settings>(SETTINGS);
  const maintenance = app.get(MaintenanceService);
  const runs = app.get(RunningJobs);
  try {
    if (!backup.enabled || (await app.get(BackupService).list()).backups.length > 0) return;
    for (const job of ['backup', 'restore-test'] as const) {
      if (runs.isStopping) return;
      const { id } = await maintenance.begin(job);
      await runs.settled();
      // The job has logged its end.
      if ((await maintenance.find(id)).state !== 'succeeded') return;
    }
  } catch (error) {
    const hint = error instanceof PgkeepError ? error.hint : undefined;
    // The service runs without it: `/ready` reports what is missing.
    new Logger('Backup').warn([`First backup failed: ${messageOf(error)}`, hint].filter(Boolean).join(' '));
  }
}
