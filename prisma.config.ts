import { defineConfig } from 'prisma/config';
import { configuredUrl, guardedConfig, useSchemaEngine } from './scripts/prisma-config.mjs';

// pgkeep's own records, not the guarded application's: the schema, migrations and `_prisma_migrations` that live
// in the PostgreSQL schema `pgkeep`. The application has its own prisma.config.ts (examples/clinic).
export default await guardedConfig(
  defineConfig({
    schema: 'prisma/schema.prisma',
    migrations: { path: 'prisma/migrations' },
    datasource: { url: useSchemaEngine(configuredUrl(), { schema: 'pgkeep' }) },
  }),
);
