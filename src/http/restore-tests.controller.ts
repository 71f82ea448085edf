import { Body, Controller, Get, Header, HttpCode, Post, Res, UseFilters, UseGuards } from '@nestjs/common';
import { BackupService } from '../backup/backup.service.js';
import { IsOptional, Matches } from '../config/validation.js';
import type { JobRun } from '../jobs/jobs.types.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import type { RestoreTestHistory } from '../restore/test/restore-test.types.js';
import { AdminGuard } from './admin-access.js';
import { ProblemFilter } from './problem.filter.js';
import { acceptedRun, type Reply } from './reply.js';
import { parametersOf } from './request-parameters.js';

/** What a restore test may be asked for. */
export class RestoreTestParameters {
  /** The backup's name, or one of its files; the newest where it is left out. */
  @IsOptional()
  @Matches(/^[\w.-]{1,255}$/, { message: 'the name of a backup: letters, digits, and _ - .' })
  backup?: string;
}

/** `/admin/restore-tests`: what was proven, and one more proof. */
@Controller('admin/restore-tests')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class RestoreTestsController {
  constructor(
    private readonly backups: BackupService,
    private readonly restoreTests: RestoreTestService,
    private readonly maintenance: MaintenanceService,
  ) {}

  /** The newest tests, and whether the chain of their evidence is whole. */
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<RestoreTestHistory> {
    return await this.restoreTests.list();
  }

  /** Begins a restore test; it goes on after the answer. A backup that is not there is told at once. */
  @Post()
  @HttpCode(202)
  @Header('cache-control', 'no-store')
  async begin(@Body() body: unknown, @Res({ passthrough: true }) reply: Reply): Promise<JobRun> {
    const { backup } = parametersOf(RestoreTestParameters, body);
    if (backup === undefined) return acceptedRun(reply, await this.maintenance.begin('restore-test'));
    await this.backups.manifest(backup);
    return acceptedRun(reply, await this.maintenance.begin('restore-test', { backup }));
  }
}
