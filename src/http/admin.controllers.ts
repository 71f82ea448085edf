import { Body, Controller, Get, Header, HttpCode, Param, Post, Query, Res, UseFilters } from '@nestjs/common';
import { actorOf, type Identity } from '../access/access.types.js';
import { BackupService } from '../backup/backup.service.js';
import type { BackupList } from '../backup/backup.types.js';
import { IsOptional, Matches } from '../config/validation.js';
import { PgkeepError } from '../core/errors.js';
import type { JobRun } from '../jobs/jobs.types.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import type { JobsOverview } from '../maintenance/maintenance.types.js';
import { PolicyService } from '../policy/policy.service.js';
import type { PolicyShown } from '../policy/policy.types.js';
import { CleanupService } from '../privacy/cleanup/cleanup.service.js';
import type { CleanupReport } from '../privacy/cleanup/cleanup.types.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import type { RestoreTestHistory } from '../restore/test/restore-test.types.js';
import { StatsService } from '../stats/stats.service.js';
import type { DatabaseStats, RowCounting } from '../stats/stats.types.js';
import { ProblemFilter } from './problem.js';
import { acceptedRun, type Reply } from './reply.js';
import { parametersOf, requireNoParameters } from './request-parameters.js';
import { Caller, Requires } from './requires.js';

/** `/admin/backups`: lists the backups, and starts one. */
@Controller('admin/backups')
@UseFilters(ProblemFilter)
export class BackupsController {
  constructor(
    private readonly backups: BackupService,
    private readonly maintenance: MaintenanceService,
  ) {}

  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<BackupList> {
    return await this.backups.list();
  }

  /** Starts a backup, which continues after the response. */
  @Requires('operator')
  @Post()
  @HttpCode(202)
  @Header('cache-control', 'no-store')
  async begin(
    @Caller() caller: Identity,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<JobRun> {
    requireNoParameters(body);
    return acceptedRun(reply, await this.maintenance.begin('backup', { actor: actorOf(caller) }));
  }
}

/** `/admin/privacy`: which marked rows are due to be erased, and the cleanup that erases them. */
@Controller('admin/privacy')
@UseFilters(ProblemFilter)
export class CleanupController {
  constructor(
    private readonly cleanup: CleanupService,
    private readonly maintenance: MaintenanceService,
  ) {}

  /** Returns what a cleanup would do now. */
  @Requires('admin')
  @Get('due')
  @Header('cache-control', 'no-store')
  async due(): Promise<CleanupReport> {
    return await this.cleanup.clean({ dryRun: true });
  }

  /** Starts a cleanup, which continues after the response. */
  @Requires('admin')
  @Post('cleanup')
  @HttpCode(202)
  @Header('cache-control', 'no-store')
  async begin(
    @Caller() caller: Identity,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<JobRun> {
    requireNoParameters(body);
    return acceptedRun(reply, await this.maintenance.begin('cleanup', { actor: actorOf(caller) }));
  }
}

/** `/admin/jobs`: each job, when it is due, and its newest runs. */
@Controller('admin/jobs')
@UseFilters(ProblemFilter)
export class JobsController {
  constructor(private readonly maintenance: MaintenanceService) {}

  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<JobsOverview> {
    return await this.maintenance.overview();
  }

  /** Returns one run: the address that a 202 names. */
  @Requires('viewer')
  @Get(':id')
  @Header('cache-control', 'no-store')
  async find(@Param('id') id: string): Promise<JobRun> {
    return await this.maintenance.find(id);
  }
}

/** `/admin/database/stats`: sizes, rows and connections. */
@Controller('admin/database')
@UseFilters(ProblemFilter)
export class DatabaseStatsController {
  constructor(private readonly stats: StatsService) {}

  @Requires('viewer')
  @Get('stats')
  @Header('cache-control', 'no-store')
  async collect(@Query('rows') rows?: unknown): Promise<DatabaseStats> {
    return await this.stats.collect(rowCounting(rows));
  }
}

/** `/admin/policy`: the rules of the tables, and whether the database enforces them. */
@Controller('admin/policy')
@UseFilters(ProblemFilter)
export class PolicyController {
  constructor(private readonly policy: PolicyService) {}

  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async show(): Promise<PolicyShown> {
    return await this.policy.show({ schemaIsOptional: true });
  }
}

function rowCounting(rows: unknown): RowCounting {
  if (rows === undefined || rows === 'estimated') return 'estimated';
  if (rows === 'exact') return 'exact';
  throw new PgkeepError('USAGE_INVALID', 'The query parameter rows must be exact or estimated.', {
    hint: 'Use /admin/database/stats?rows=exact to count the rows of every table.',
  });
}

/** The parameters of a restore test. */
class RestoreTestParameters {
  /** The backup's name, or one of its files. Defaults to the newest. */
  @IsOptional()
  @Matches(/^[\w.-]{1,255}$/, { message: 'the name of a backup: letters, digits, "_", "-" and "."' })
  backup?: string;
}

/** `/admin/restore-tests`: lists the restore tests, and starts one. */
@Controller('admin/restore-tests')
@UseFilters(ProblemFilter)
export class RestoreTestsController {
  constructor(
    private readonly backups: BackupService,
    private readonly restoreTests: RestoreTestService,
    private readonly maintenance: MaintenanceService,
  ) {}

  /** Returns the newest tests, and whether the chain of their evidence is intact. */
  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<RestoreTestHistory> {
    return await this.restoreTests.list();
  }

  /** Starts a restore test, which continues after the response. A backup that does not exist is reported immediately. */
  @Requires('operator')
  @Post()
  @HttpCode(202)
  @Header('cache-control', 'no-store')
  async begin(
    @Caller() caller: Identity,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<JobRun> {
    const { backup } = parametersOf(RestoreTestParameters, body);
    // A backup that does not exist is reported before anything begins.
    if (backup !== undefined) await this.backups.manifest(backup);
    const chosen = { ...(backup !== undefined && { backup }), actor: actorOf(caller) };
    return acceptedRun(reply, await this.maintenance.begin('restore-test', chosen));
  }
}
