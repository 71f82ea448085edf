import { Module } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { LocalStorage } from './local/local-storage.js';
import type { BackupStorage } from './storage.types.js';
import { BACKUP_STORAGE } from './storage.token.js';

/** Hands out the storage that the settings name. */
@Module({
  providers: [
    {
      provide: BACKUP_STORAGE,
      inject: [SETTINGS],
      useFactory: ({ backup }: Settings): BackupStorage => new LocalStorage(backup.directory),
    },
  ],
  exports: [BACKUP_STORAGE],
})
export class StorageModule {}
