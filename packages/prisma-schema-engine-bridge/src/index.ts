export { applyMigrations, markMigration, type Mark, type MigrationsToApply } from './apply-migrations.js';
export {
  connectionError,
  type ConnectionTarget,
  type Connector,
  type EngineDatabase,
} from './engine-database.js';
export { applyFailedText } from './engine-error.js';
export { SchemaEngineError, type SchemaEngineFailure } from './errors.js';
export type { FindDatabase } from './executable/open-engines.js';
export { runSchemaEngine, type EngineProcess } from './executable/run-schema-engine.js';
export { readMigrationList } from './migration-files.js';
export { nodePostgresDatabase } from './node-postgres.js';
export { SchemaEngine, type SchemaEngineOptions } from './schema-engine.js';
export { REFUSED_IN_TRANSACTION } from './send-script.js';
export { statementFailure, type StatementFailure } from './statement-failure.js';
export { engineVersion, type WasmEngine } from './wasm-module.js';
export type { DiffTarget, SchemaFilter } from '@prisma/schema-engine-wasm/schema_engine_bg';
