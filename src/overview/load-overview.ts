import type { LazyModuleLoader } from '@nestjs/core';
import type { OverviewService } from './overview.service.js';

/** Returns the overview's service. Its modules are loaded at the first call: the start of the service needs none of them. */
export async function loadOverview(modules: LazyModuleLoader): Promise<OverviewService> {
  const { OverviewModule } = await import('./overview.module.js');
  const module = await modules.load(() => OverviewModule, { logger: false });
  const loaded = await import('./overview.service.js');
  return module.get(loaded.OverviewService);
}
