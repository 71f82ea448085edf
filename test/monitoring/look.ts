import { Test } from '@nestjs/testing';
import { readSettings } from '../../src/config/read-settings.js';
import type { MonitoringReport } from '../../src/monitoring/monitoring.types.js';
import { MonitoringService } from '../../src/monitoring/monitoring.service.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';

/** Takes one look at a database. */
export async function look(
  url: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<MonitoringReport> {
  const settings = readSettings({ DATABASE_URL: url, ...environment });
  const module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] }).compile();
  try {
    return await module.get(MonitoringService).look();
  } finally {
    await module.close();
  }
}

/** Returns the findings with these codes, each as `SEVERITY SUBJECT: TEXT`, in their order. */
export function findingsOf({ findings }: MonitoringReport, ...codes: readonly string[]): string[] {
  return findings
    .filter(({ code }) => codes.includes(code))
    .map(({ severity, subject, text }) => `${severity} ${subject}: ${text}`);
}
