import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';

/** The engine asks for a version before anything else; comparing two schema files depends on none. */
const STARTUP_ANSWER = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 15.0', 150_000]],
};

/** Lets Prisma's engine compare two schema files with no database at all. */
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
  throw new Error('Comparing two schema files needs no database, yet one was asked for.');
}
