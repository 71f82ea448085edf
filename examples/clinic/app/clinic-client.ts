import {
  createGuardedAdapter,
  currentActor,
  pgkeepGuard,
  pgkeepReplica,
  type GuardedAdapter,
  type GuardedPoolOptions,
} from 'pgkeep/client';
import { PrismaClient, type Prisma } from '../generated/prisma/client.js';

/** The same for the primary and the replica: both hide deleted rows, and no query returns a password hash. */
function connect(adapter: GuardedAdapter) {
  const prisma = new PrismaClient({ adapter, omit: { user: { passwordHash: true } } });
  return prisma.$extends(pgkeepGuard<Prisma.ModelName>({ actor: currentActor }));
}

/**
 * Returns the application's one client. It reads DATABASE_URL, DATABASE_READ_REPLICA_URL and the sizes and timeouts of
 * the pool from the environment, and connects with `$connect()`.
 */
export function createClinicClient(options: Pick<GuardedPoolOptions, 'environment'> = {}) {
  return connect(createGuardedAdapter(options)).$extends(pgkeepReplica({ ...options, connect }));
}

export type ClinicClient = ReturnType<typeof createClinicClient>;
