import type { TestingModule } from '@nestjs/testing';
import { Test } from '@nestjs/testing';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';

/** Runs `work` with pgkeep's app on a database, and closes them afterwards. */
export async function withApp<T>(
  url: string,
  work: (app: TestingModule) => Promise<T>,
  environment: Environment = {},
): Promise<T> {
  const app = await openRooms(url, environment);
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

/** Opens pgkeep's app on a database; the caller closes it. */
export async function openRooms(url: string, environment: Environment = {}): Promise<TestingModule> {
  const settings = readSettings({ DATABASE_URL: url, ...environment });
  const app = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] }).compile();
  app.useLogger(false);
  return app;
}
