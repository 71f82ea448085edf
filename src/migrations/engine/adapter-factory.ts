import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import type { EngineSession } from './engine-session.js';
import type { ShadowDatabases } from './shadow-databases.js';

/** Gives Prisma's engine a session that is open already, and shadow databases when it asks for one. */
export function adapterFactory(
  main: EngineSession,
  shadows: ShadowDatabases,
): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: main.provider,
    adapterName: main.adapterName,
    connect: async () => main,
    connectToShadowDb: async () => await shadows.open(),
  };
}
