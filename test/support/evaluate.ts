import { NestFactory } from '@nestjs/core';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import type { Verdict } from '../../src/readiness/readiness.types.js';
import { secretsOf, Transcript } from './transcript.js';

/** One evaluation under these settings, without the doors: what `pgkeep ready` does. Fails where a secret is told. */
export async function evaluate(environment: Environment): Promise<Verdict> {
  const settings = readSettings({ NODE_ENV: 'test', ...environment });
  const rooms = await NestFactory.createApplicationContext(PgkeepModule.forRoot(settings), {
    logger: false,
    abortOnError: false,
  });
  try {
    const { verdict, health } = await rooms.get(ReadinessService).evaluate();
    const transcript = new Transcript(secretsOf(environment));
    transcript.add(JSON.stringify(verdict), JSON.stringify(health));
    transcript.expectNoSecret();
    return verdict;
  } finally {
    await rooms.close();
  }
}
