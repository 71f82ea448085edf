import type { BackupReason } from './backup.types.js';

/** Whether a backup was made before a restore or a deploy, of a database that may be damaged or half changed. */
export function isSafetyBackup(reason: BackupReason | undefined): boolean {
  return reason === 'pre-restore' || reason === 'pre-migration';
}
