import { Logger, type INestApplicationContext } from '@nestjs/common';
import { BackupService } from '../backup/backup.service.js';
import { SETTINGS } from '../config/settings.token.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import { RunsOfThisProcess } from '../maintenance/runs-of-this-process.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';

/**
 * Where there is no backup yet: makes one and proves it, as the schedule would, so that `/ready` rests on evidence
 * from the first minute. For the embedded database; others have their own schedule and their own first night.
 */
export async function makeFirstBackup(app: INestApplicationContext): Promise<void> {
  const { backup } = app.get<Settings>(SETTINGS);
  const maintenance = app.get(MaintenanceService);
  const runs = app.get(RunsOfThisProcess);
  try {
    if (!backup.enabled || (await app.get(BackupService).list()).backups.length > 0) return;
    for (const job of ['backup', 'restore-test'] as const) {
      if (runs.isStopping) return;
      const { id } = await maintenance.begin(job);
      await runs.settled();
      // Its end is in the log already.
      if ((await maintenance.find(id)).state !== 'succeeded') return;
    }
  } catch (error) {
    const hint = error instanceof PgkeepError ? error.hint : undefined;
    // The service serves all the same: `/ready` tells what is missing.
    new Logger('Backup').warn([`No first backup: ${messageOf(error)}`, hint].filter(Boolean).join(' '));
  }
}
