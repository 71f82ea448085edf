import { Body, Controller, Get, Header, HttpCode, Post, Res, UseFilters, UseGuards } from '@nestjs/common';
import { BackupService } from '../backup/backup.service.js';
import type { BackupList } from '../backup/backup.types.js';
import type { JobRun } from '../jobs/jobs.types.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import { AdminGuard } from './admin-access.js';
import { ProblemFilter } from './problem.filter.js';
import { acceptedRun, type Reply } from './reply.js';
import { requireNoParameters } from './request-parameters.js';

/** `/admin/backups`: lists the backups, and starts one. */
@Controller('admin/backups')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class BackupsController {
  constructor(
    private readonly backups: BackupService,
    private readonly maintenance: MaintenanceService,
  ) {}

  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<BackupList> {
    return await this.backups.list();
  }

  /** Starts a backup, which continues after the response. */
  @Post()
  @HttpCode(202)
  @Header('cache-control', 'no-store')
  async begin(@Body() body: unknown, @Res({ passthrough: true }) reply: Reply): Promise<JobRun> {
    requireNoParameters(body);
    return acceptedRun(reply, await this.maintenance.begin('backup'));
  }
}
