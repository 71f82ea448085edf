import { Module } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { LocalStorage } from './local/local-storage.js';
import { BACKUP_STORAGE, type BackupStorage, REMOTE_STORAGES, type RemoteStorages } from './storage.types.js';

/** Provides the storage where backups are made, and those that they are copied to. */
@Module({
  providers: [
    {
      provide: BACKUP_STORAGE,
      inject: [SETTINGS],
      useFactory: ({ backup }: Settings): BackupStorage => new LocalStorage(backup.directory),
    },
    {
      provide: REMOTE_STORAGES,
      inject: [SETTINGS],
      useFactory: ({ offsite }: Settings): RemoteStorages => {
        let opened: Promise<readonly BackupStorage[]> | undefined;
        return async () => {
          if (!offsite.uploadEnabled) return [];
          return await (opened ??= import('./open-buckets.js').then((file) => file.openBuckets(offsite)));
        };
      },
    },
  ],
  exports: [BACKUP_STORAGE, REMOTE_STORAGES],
})
export class StorageModule {}
