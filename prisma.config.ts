import { defineConfig } from 'prisma/config';
import { guardedConfig } from './scripts/guarded-config.mjs';
import { configuredUrl, datasourceUrl } from './scripts/schema-engine-location.mjs';

// pgkeep's own records, not the guarded application's: the schema, migrations and `_prisma_migrations` that live
// in the PostgreSQL schema `pgkeep`. The application has a prisma.config.ts of its own (examples/clinic).
export default await guardedConfig(
  defineConfig({
    schema: 'prisma/schema.prisma',
    migrations: { path: 'prisma/migrations' },
    datasource: { url: datasourceUrl(configuredUrl(), 'pgkeep') },
  }),
);
