import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/database.module.js';
import { MigrationsService } from './migrations.service.js';

@Module({ imports: [DatabaseModule], providers: [MigrationsService], exports: [MigrationsService] })
export class MigrationsModule {}
