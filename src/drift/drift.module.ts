import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { DriftService } from './drift.service.js';

@Module({ imports: [DatabaseModule, MigrationsModule], providers: [DriftService], exports: [DriftService] })
export class DriftModule {}
