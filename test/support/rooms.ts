import type { TestingModule } from '@nestjs/testing';
import { Test } from '@nestjs/testing';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';

/** Runs `work` with pgkeep's rooms on a database, and closes them afterwards. */
export async function withRooms<T>(
  url: string,
  work: (rooms: TestingModule) => Promise<T>,
  environment: Environment = {},
): Promise<T> {
  const rooms = await openRooms(url, environment);
  try {
    return await work(rooms);
  } finally {
    await rooms.close();
  }
}

/** The same, to be closed by the caller. */
export async function openRooms(url: string, environment: Environment = {}): Promise<TestingModule> {
  const settings = readSettings({ DATABASE_URL: url, ...environment });
  const rooms = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] }).compile();
  rooms.useLogger(false);
  return rooms;
}
