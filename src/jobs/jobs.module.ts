import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { JobsService } from './jobs.service.js';

@Module({ imports: [DatabaseModule], providers: [JobsService], exports: [JobsService] })
export class JobsModule {}
