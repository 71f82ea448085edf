/** The injection token of the {@link BackupStorage} that the settings name. */
export const BACKUP_STORAGE = Symbol('pgkeep backup storage');
