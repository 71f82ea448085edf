import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../../backup/backup.service.js';
import { isBackupOf } from '../../backup/catalog/backup-name.js';
import { readDatabaseFacts } from '../../backup/create/database-facts.js';
import { requiredSpace } from '../../backup/create/preflight.js';
import { findTool, type ToolQuery } from '../../backup/postgres-tools.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { formatBytes } from '../../core/text.js';
import { MaintenanceService } from '../../maintenance/maintenance.service.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { REMOTE_STORAGES, type RemoteStorages } from '../../storage/storage.types.js';
import { fail, ok, skip } from '../check-line.js';
import type { DoctorFacts, Line, LineResult } from '../doctor.types.js';

/** A bucket of another continent, asked with retries. */
const BUCKET_MS = 30_000;
const BACKUPS_OFF = 'backups are off (BACKUP_ENABLED)';

/** The lines of "Before deployment" about backups: settings, programs, storages, schedule. */
@Injectable()
export class BackupLines {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(REMOTE_STORAGES) private readonly buckets: RemoteStorages,
    private readonly database: DatabaseService,
    private readonly backups: BackupService,
    private readonly maintenance: MaintenanceService,
  ) {}

  lines({ server }: DoctorFacts): Line[] {
    const ifEnabled = (check: () => Promise<LineResult>) => async () =>
      this.settings.backup.enabled ? await check() : skip(BACKUPS_OFF);
    return [
      {
        name: 'backup-settings',
        title: 'backups on, retention set',
        check: async () => this.checkSettings(),
      },
      {
        name: 'tools',
        title: 'PostgreSQL programs',
        needsDatabase: true,
        check: ifEnabled(() => this.checkTools(Number.parseInt(server?.version ?? '', 10))),
      },
      { name: 'storage', title: 'backup directory writable', check: ifEnabled(() => this.checkStorage()) },
      {
        name: 'off-site',
        title: 'off-site storage reached',
        deadlineMs: BUCKET_MS,
        check: ifEnabled(() => this.checkOffSite()),
      },
      {
        name: 'schedule',
        title: 'schedule kept by a service',
        needsDatabase: true,
        check: ifEnabled(() => this.checkSchedule()),
      },
    ];
  }

  private checkSettings(): LineResult {
    const { enabled, retentionDays } = this.settings.backup;
    const unset = [
      ...(enabled ? [] : ['BACKUP_ENABLED=true']),
      ...(retentionDays === undefined ? ['BACKUP_RETENTION_DAYS=30'] : []),
    ];
    if (unset.length === 0) return ok(`backups on, ${retentionDays} days retention`);
    const details = enabled ? 'BACKUP_RETENTION_DAYS is not set' : BACKUPS_OFF;
    return this.isProduction
      ? fail(details, `set ${unset.join(' and ')}`)
      : skip(`${details}; production needs it`);
  }

  private async checkTools(serverMajor: number): Promise<LineResult> {
    const { searchPath, backup } = this.settings;
    const programs: ToolQuery['program'][] = ['pg_dump', backup.format === 'plain' ? 'psql' : 'pg_restore'];
    const tools = await Promise.all(
      programs.map((program) => findTool({ program, atLeastMajor: serverMajor, searchPath })),
    );
    const found = programs.map((program, index) => `${program} ${tools[index]?.version ?? ''}`).join(', ');
    return ok(`${found}, server ${serverMajor}`);
  }

  /** Checks rights and free space; writes nothing, and does not create a missing directory. */
  private async checkStorage(): Promise<LineResult> {
    const { directory, requiredFreeBytes } = this.settings.backup;
    const place = nearestExisting(directory);
    try {
      await access(place, constants.W_OK | constants.X_OK);
    } catch {
      return fail(
        `this user may not write to ${place}`,
        `let BACKUP_DIR name a directory that this user may write to, or: chown ${process.getuid?.() ?? 'USER'} ${place}`,
      );
    }
    const { bavail, bsize } = await statfs(place);
    const free = bavail * bsize;
    const space = requiredSpace(await this.databaseBytes(), await this.lastArchiveBytes(), requiredFreeBytes);
    const text = `${directory}: ${formatBytes(free)} free, about ${formatBytes(space.bytes)} needed (${space.because})`;
    return free < space.bytes
      ? fail(text, 'free space there, or point BACKUP_DIR to a larger disk')
      : ok(text);
  }

  /** 0 while the database does not answer: then only the last archive's size counts. */
  private async databaseBytes(): Promise<number> {
    const { primary } = this.database;
    try {
      return (await this.database.withPooled(primary, readDatabaseFacts)).sizeBytes;
    } catch {
      return 0;
    }
  }

  private async lastArchiveBytes(): Promise<number | undefined> {
    const { backups } = await this.backups.list();
    const { environment, database } = this.settings;
    return backups.find((backup) => isBackupOf(backup, database.url.database, environment))?.bytes;
  }

  /** Lists one object: whether an object may be written is known only by writing one, which the next backup does. */
  private async checkOffSite(): Promise<LineResult> {
    const buckets = await this.buckets();
    if (buckets.length === 0) {
      const details = 'backups are copied to no bucket (BACKUP_UPLOAD_ENABLED)';
      const next = 'set BACKUP_UPLOAD_ENABLED=true, and AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET';
      return this.isProduction ? fail(details, next) : skip(`${details}; production needs one`);
    }
    for (const bucket of buckets) await bucket.list('')[Symbol.asyncIterator]().next();
    const names = buckets.map(({ location }) => location).join(', ');
    return ok(`${names} can be listed; the next upload shows whether it can be written`);
  }

  private async checkSchedule(): Promise<LineResult> {
    const { schedule } = this.settings.backup;
    if (schedule === undefined) return ok('BACKUP_SCHEDULE=off: another program makes the backups');
    const { jobs } = await this.maintenance.overview();
    const scheduled = jobs.filter((job) => job.schedule !== null);
    const next = 'npm run start:prod, or BACKUP_SCHEDULE=off and a cron job for npx pgkeep backup';
    const unregistered = scheduled.filter(({ registeredAt }) => registeredAt === null);
    if (unregistered.length > 0) {
      return fail(`no service has registered: ${unregistered.map(({ name }) => name).join(', ')}`, next);
    }
    const overdue = scheduled.find(({ overdueSince }) => overdueSince !== null);
    if (overdue)
      return fail(`${overdue.name} is overdue since ${overdue.overdueSince}: no service runs it`, next);
    const due = scheduled.map(({ name, nextDueAt }) => `${name} next at ${nextDueAt}`);
    return ok(due.join(', '));
  }

  private get isProduction(): boolean {
    return this.settings.environment === 'production';
  }
}

function nearestExisting(directory: string): string {
  let place = directory;
  while (!existsSync(place)) place = path.dirname(place);
  return place;
}
