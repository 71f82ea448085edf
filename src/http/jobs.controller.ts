import { Controller, Get, Header, Param, UseFilters, UseGuards } from '@nestjs/common';
import type { JobRun } from '../jobs/jobs.types.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import type { JobsOverview } from '../maintenance/maintenance.types.js';
import { AdminGuard } from './admin-access.js';
import { ProblemFilter } from './problem.filter.js';

/** `/admin/jobs`: each job, when it is due, and its newest runs. */
@Controller('admin/jobs')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class JobsController {
  constructor(private readonly maintenance: MaintenanceService) {}

  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<JobsOverview> {
    return await this.maintenance.overview();
  }

  /** Returns one run: the address that a 202 names. */
  @Get(':id')
  @Header('cache-control', 'no-store')
  async find(@Param('id') id: string): Promise<JobRun> {
    return await this.maintenance.find(id);
  }
}
