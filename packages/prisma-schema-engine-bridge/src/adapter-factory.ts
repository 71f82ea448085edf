import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { EngineSession } from './engine-session.js';
import type { ShadowDatabases } from './shadow-databases.js';

/** The engine asks for a version before anything else; comparing two schema files depends on none. */
const STARTUP_ANSWER = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 15.0', 150_000]],
};

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

/** Lets Prisma's engine compare two schema files without a database. */
export function offlineAdapterFactory(): SqlMigrationAwareDriverAdapterFactory {
  const info = { provider: 'postgres', adapterName: '@prisma/adapter-pg' } as const;
  const adapter: SqlDriverAdapter = {
    ...info,
    queryRaw: async () => STARTUP_ANSWER,
    executeRaw: needsDatabase,
    executeScript: needsDatabase,
    startTransaction: needsDatabase,
    getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: async () => undefined,
  };
  return { ...info, connect: async () => adapter, connectToShadowDb: needsDatabase };
}

async function needsDatabase(): Promise<never> {
  throw new Error('The engine asked for a database to compare two schema files, which needs none.');
}
