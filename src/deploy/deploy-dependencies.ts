import { Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { BackupService } from '../backup/backup.service.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { DriftService } from '../drift/drift.service.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { ReadTimeouts } from '../postgres/read.js';

/** What a deploy or a rollback needs of other modules. */
@Injectable()
export class DeployDependencies {
  readonly timeouts: ReadTimeouts;

  constructor(
    @Inject(SETTINGS) readonly settings: Settings,
    database: DatabaseService,
    readonly clock: Clock,
    readonly migrations: MigrationsService,
    readonly backups: BackupService,
    readonly changelog: AuditLogService,
    readonly drift: DriftService,
  ) {
    this.timeouts = database.timeouts;
  }
}
