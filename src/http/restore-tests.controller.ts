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

/** The parameters of a restore test. */
export class RestoreTestParameters {
  /** The backup's name, or one of its files. Defaults to the newest. */
  @IsOptional()
  @Matches(/^[\w.-]{1,255}$/, { message: 'the name of a backup: letters, digits, "_", "-" and "."' })
  backup?: string;
}

/** `/admin/restore-tests`: lists the restore tests, and starts one. */
@Controller('admin/restore-tests')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class RestoreTestsController {
  constructor(
    private readonly backups: BackupService,
    private readonly restoreTests: RestoreTestService,
    private readonly maintenance: MaintenanceService,
  ) {}

  /** Returns the newest tests, and whether the chain of their evidence is intact. */
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<RestoreTestHistory> {
    return await this.restoreTests.list();
  }

  /** Starts a restore test, which continues after the response. A backup that does not exist is reported immediately. */
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
