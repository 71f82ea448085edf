import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { JobsService } from './jobs.service.js';
import { LeaseService } from './lease.service.js';

@Module({
  imports: [DatabaseModule],
  providers: [JobsService, LeaseService],
  exports: [JobsService, LeaseService],
})
export class JobsModule {}
