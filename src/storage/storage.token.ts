import type { BackupStorage } from './storage.types.js';

/** The injection token of the {@link BackupStorage} that backups are made in: the directory. */
export const BACKUP_STORAGE = Symbol('pgkeep backup storage');

/** The injection token of {@link RemoteStorages}. */
export const REMOTE_STORAGES = Symbol('pgkeep remote storages');

/** The buckets that backups are copied to. Asked for when they are needed: the clouds' SDKs are slow to load. */
export type RemoteStorages = () => Promise<readonly BackupStorage[]>;
