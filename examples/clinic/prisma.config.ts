import { defineConfig } from 'prisma/config';
import { configuredUrl, guardedConfig, useSchemaEngine } from '../../scripts/prisma-config.mjs';

// Paths are relative to this file; the seed command runs in the directory where prisma was started, the repository's
// root.
export default await guardedConfig(
  defineConfig({
    schema: 'prisma/schema.prisma',
    migrations: {
      path: 'prisma/migrations',
      seed: 'npx prisma db execute --config examples/clinic/prisma.config.ts --file examples/clinic/prisma/seed.sql',
    },
    datasource: { url: useSchemaEngine(configuredUrl()) },
  }),
);
