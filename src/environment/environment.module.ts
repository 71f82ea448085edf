import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { EnvironmentService } from './environment.service.js';

@Module({ imports: [ClockModule], providers: [EnvironmentService], exports: [EnvironmentService] })
export class EnvironmentModule {}
