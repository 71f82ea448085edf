import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/database.module.js';
import { LintService } from './lint/lint.service.js';
import { MigrationsService } from './migrations.service.js';

@Module({
  imports: [DatabaseModule],
  providers: [MigrationsService, LintService],
  exports: [MigrationsService, LintService],
})
export class MigrationsModule {}
