import { Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../../backup/backup.service.js';
import { isBackupOf } from '../../backup/catalog/backup-name.js';
import type { BackupEntry } from '../../backup/backup.types.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { boundedList, counted } from '../../core/text.js';
import { DriftService } from '../../drift/drift.service.js';
import type { ComparedStructure } from '../../drift/drift.types.js';
import {
  BACKUP_STORAGE,
  type BackupStorage,
  REMOTE_STORAGES,
  type RemoteStorages,
} from '../../storage/storage.types.js';
import { fail, ofCheck, ok, skip } from '../check-line.js';
import type { DoctorFacts, Line, LineResult } from '../doctor.types.js';

/** Two storages are asked for one object each, with retries. */
const COPIES_MS = 30_000;

/** "After deployment": what runs, what is in the database, what is kept of it. */
@Injectable()
export class AfterDeployment {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly directory: BackupStorage,
    @Inject(REMOTE_STORAGES) private readonly buckets: RemoteStorages,
    private readonly backups: BackupService,
    private readonly drift: DriftService,
  ) {}

  lines({ verdict }: DoctorFacts): Line[] {
    return [
      { name: 'ready', title: '/ready returns 200', check: async () => readyResult(verdict) },
      {
        name: 'migrations',
        title: 'migrations applied',
        needsDatabase: true,
        check: async () => ofCheck(verdict, 'migrations', 'npx pgkeep migrate deploy'),
      },
      {
        name: 'drift',
        title: 'no change outside of migrations',
        needsDatabase: true,
        check: () => this.checkDrift(),
      },
      { name: 'newest-backup', title: 'newest backup', check: () => this.checkBackup() },
      {
        name: 'copies',
        title: 'newest backup in every place',
        deadlineMs: COPIES_MS,
        check: () => this.checkCopies(),
      },
      {
        name: 'backups',
        title: 'backups as the schedule wants them',
        check: async () => ofCheck(verdict, 'backups', 'npx pgkeep backup'),
      },
    ];
  }

  private async checkDrift(): Promise<LineResult> {
    const look = await this.drift.look();
    const next = 'npx pgkeep migrate drift';
    switch (look.kind) {
      case 'not-installed':
        return fail('schema pgkeep is not installed', 'npx pgkeep install');
      case 'not-recorded':
        return skip('nothing recorded to compare with', 'npx pgkeep migrate drift --accept');
      case 'not-comparable':
        return skip('another version of pgkeep recorded the structure', next);
      case 'deploying':
        return skip('migrations are being deployed');
      default:
        return driftResult(look, next);
    }
  }

  private async checkBackup(): Promise<LineResult> {
    const newest = await this.newest();
    if (newest) return ok(`${newest.name}, finished ${newest.finishedAt}`);
    const { environment } = this.settings;
    return fail(`there is no backup of this database as ${environment}`, 'npx pgkeep backup');
  }

  /** The archive must be there as large as the manifest says; `pgkeep backup verify` reads every byte. */
  private async checkCopies(): Promise<LineResult> {
    const newest = await this.newest();
    if (!newest) return skip('there is no backup');
    const { archive } = await this.backups.manifest(newest.name);
    const places = [this.directory, ...(await this.buckets())];
    const missing: string[] = [];
    for (const place of places) {
      const found = await place.head(archive);
      if (found?.bytes !== newest.bytes) {
        missing.push(found ? `${place.location} (${found.bytes} of ${newest.bytes} bytes)` : place.location);
      }
    }
    const all = places.map(({ location }) => location).join(', ');
    if (missing.length === 0) return ok(`${archive} is complete in ${all}`);
    const isLocal = missing.some((place) => place.startsWith(this.directory.location));
    return fail(
      `${archive} is not complete in ${missing.join(', ')}`,
      isLocal ? 'npx pgkeep backup' : 'npx pgkeep backup upload',
    );
  }

  private async newest(): Promise<BackupEntry | undefined> {
    const { backups } = await this.backups.list();
    const { environment, database } = this.settings;
    return backups.find((backup) => isBackupOf(backup, database.url.database, environment));
  }
}

function driftResult(
  { objects, appliedSince, goneSince, recorded }: ComparedStructure,
  next: string,
): LineResult {
  if (appliedSince.length + goneSince.length > 0) {
    return fail('the migration history changed past pgkeep', next);
  }
  if (objects.length === 0) return ok(`as recorded on ${recorded.recordedAt.slice(0, 10)}`);
  const named = objects.map(({ home, object, change }) => [change, object, home].filter(Boolean).join(' '));
  return fail(`${counted(objects.length, 'object')}: ${boundedList(named, 3)}`, next);
}

function readyResult({ status, checks }: DoctorFacts['verdict']): LineResult {
  const failing = Object.entries(checks).filter(([, { ok: isOk }]) => !isOk);
  if (status === 'ready') return ok('ready');
  return fail(`not ready: ${failing.map(([name]) => name).join(', ')}`, 'npx pgkeep ready');
}
