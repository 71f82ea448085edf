import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { DownScriptService } from './down/down-script.service.js';
import { LintService } from './lint/lint.service.js';
import { MigrationsService } from './migrations.service.js';

@Module({
  imports: [DatabaseModule],
  providers: [MigrationsService, LintService, DownScriptService],
  exports: [MigrationsService, LintService, DownScriptService],
})
export class MigrationsModule {}
