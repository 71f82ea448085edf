import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import type { Verdict } from '../../src/readiness/readiness.types.js';
import { secretsOf, Transcript } from './transcript.js';

/** Runs `work` with pgkeep's app without interfaces, as a verb of the command line does, and always closes it. */
export async function withApp<T>(
  environment: Environment,
  work: (app: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const settings = readSettings({ NODE_ENV: 'test', ...environment });
  const app = await NestFactory.createApplicationContext(PgkeepModule.forRoot(settings), {
    logger: false,
    abortOnError: false,
  });
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

/** Evaluates once with these settings, as `pgkeep ready` does. Fails if a secret is shown. */
export async function evaluate(environment: Environment): Promise<Verdict> {
  const { verdict, health } = await withApp(environment, (app) => app.get(ReadinessService).evaluate());
  const transcript = new Transcript(secretsOf(environment));
  transcript.add(JSON.stringify(verdict), JSON.stringify(health));
  transcript.expectNoSecret();
  return verdict;
}
