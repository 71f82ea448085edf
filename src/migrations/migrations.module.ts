import { Module } from '@nestjs/common';
import { MigrationsService } from './migrations.service.js';

@Module({ providers: [MigrationsService], exports: [MigrationsService] })
export class MigrationsModule {}
