import { Controller, Get, Header, UseFilters } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { loadOverview } from '../overview/load-overview.js';
import type { Overview } from '../overview/overview.types.js';
import { ProblemFilter } from './problem.js';
import { Requires } from './requires.js';

/** `/admin/overview`: what the dashboard shows, as JSON. */
@Controller('admin/overview')
@UseFilters(ProblemFilter)
export class OverviewController {
  constructor(private readonly modules: LazyModuleLoader) {}

  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async show(): Promise<Overview> {
    return await (await loadOverview(this.modules)).latest();
  }
}
