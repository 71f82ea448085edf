export {
  applyMigrations,
  markMigration,
  readMigrationList,
  type Mark,
  type MigrationsToApply,
} from './apply-migrations.js';
export {
  connectionError,
  type ConnectionTarget,
  type Connector,
  type EngineDatabase,
} from './engine-database.js';
export {
  applyFailedText,
  SchemaEngineError,
  statementFailure,
  type SchemaEngineFailure,
  type StatementFailure,
} from './errors.js';
export type { FindDatabase } from './executable/open-engines.js';
export { runSchemaEngine, type EngineProcess } from './executable/run-schema-engine.js';
export { nodePostgresDatabase } from './node-postgres.js';
export { SchemaEngine, type SchemaEngineOptions } from './schema-engine.js';
export { REFUSED_IN_TRANSACTION } from './engine-session.js';
export { engineVersion, type WasmEngine } from './wasm-module.js';
export type { DiffTarget, SchemaFilter } from '@prisma/schema-engine-wasm/schema_engine_bg';
