import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient, type Prisma } from '../../examples/clinic/generated/prisma/client.js';
import { pgkeepGuard, type GuardOptions } from '../../src/client.js';

/** Returns the clinic's client without the guard. */
export function bareClinic(url: string, max = 5): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max }) });
}

/** Returns the clinic's client with the guard. */
export function guardedClinic(url: string, options: GuardOptions = {}) {
  return bareClinic(url).$extends(pgkeepGuard<Prisma.ModelName>(options));
}

export type GuardedClinic = ReturnType<typeof guardedClinic>;

/** The client in a transaction. */
export type ClinicTransaction = Parameters<Parameters<GuardedClinic['$transaction']>[0]>[0];
