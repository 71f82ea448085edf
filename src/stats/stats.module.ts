import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { StatsService } from './stats.service.js';

@Module({ imports: [ClockModule, DatabaseModule], providers: [StatsService], exports: [StatsService] })
export class StatsModule {}
