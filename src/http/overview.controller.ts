import { Controller, Get, Header, UseFilters, UseGuards } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { loadOverview } from '../overview/load-overview.js';
import type { Overview } from '../overview/overview.types.js';
import { AdminGuard } from './admin-access.js';
import { ProblemFilter } from './problem.js';

/** `/admin/overview`: what the dashboard shows, as JSON. */
@Controller('admin/overview')
@UseFilters(ProblemFilter)
@UseGuards(AdminGuard)
export class OverviewController {
  constructor(private readonly modules: LazyModuleLoader) {}

  @Get()
  @Header('cache-control', 'no-store')
  async show(): Promise<Overview> {
    return await (await loadOverview(this.modules)).latest();
  }
}
