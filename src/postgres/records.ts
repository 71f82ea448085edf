import type { PrismaClient } from '../generated/prisma/client.js';
import type { DatabaseService } from './database.service.js';

export type { PrismaClient } from '../generated/prisma/client.js';

/**
 * Runs `work` with Prisma's client of pgkeep's own records, on the primary's pool. The client is loaded only
 * here: writing a record is rare, and reading the verdict must not pay for it.
 */
export async function withRecords<T>(
  database: DatabaseService,
  work: (records: PrismaClient) => Promise<T>,
): Promise<T> {
  const [{ PrismaClient: Client }, { PrismaPg }] = await Promise.all([
    import('../generated/prisma/client.js'),
    import('@prisma/adapter-pg'),
  ]);
  const records = new Client({ adapter: new PrismaPg(database.primary, { disposeExternalPool: false }) });
  try {
    return await work(records);
  } finally {
    await records.$disconnect();
  }
}
