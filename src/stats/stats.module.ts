import { Module } from '@nestjs/common';
import { ClockModule } from '../clock/clock.module.js';
import { DatabaseModule } from '../database/database.module.js';
import { StatsService } from './stats.service.js';

@Module({ imports: [ClockModule, DatabaseModule], providers: [StatsService], exports: [StatsService] })
export class StatsModule {}
