import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';

/** Runs `work` with one service of these settings, as an importing application would. */
export async function withService<S, T>(
  service: Type<S>,
  environment: Environment,
  work: (service: S) => Promise<T>,
): Promise<T> {
  const app = await NestFactory.createApplicationContext(
    PgkeepModule.forRoot(readSettings({ NODE_ENV: 'test', PATH: process.env['PATH'], ...environment })),
    { logger: false, abortOnError: false },
  );
  try {
    return await work(app.get(service));
  } finally {
    await app.close();
  }
}
