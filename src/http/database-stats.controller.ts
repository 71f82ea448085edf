import { Controller, Get, Header, Query, UseFilters, UseGuards } from '@nestjs/common';
import { PgkeepError } from '../core/errors.js';
import { StatsService } from '../stats/stats.service.js';
import type { DatabaseStats, RowCounting } from '../stats/stats.types.js';
import { AdminGuard } from './admin-access.js';
import { ProblemFilter } from './problem.filter.js';

/** `/admin/database/stats`: sizes, rows and connections. */
@Controller('admin/database')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class DatabaseStatsController {
  constructor(private readonly stats: StatsService) {}

  @Get('stats')
  @Header('cache-control', 'no-store')
  async collect(@Query('rows') rows?: unknown): Promise<DatabaseStats> {
    return await this.stats.collect(rowCounting(rows));
  }
}

function rowCounting(rows: unknown): RowCounting {
  if (rows === undefined || rows === 'estimated') return 'estimated';
  if (rows === 'exact') return 'exact';
  throw new PgkeepError('USAGE_INVALID', 'The query parameter rows must be exact or estimated.', {
    hint: 'Use /admin/database/stats?rows=exact to count the rows of every table.',
  });
}
