import { defineConfig } from 'prisma/config';

// Paths are relative to this file; the seed command runs where prisma was started, the repository's root.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: {
    path: 'prisma/migrations',
    seed: 'prisma db execute --config examples/clinic/prisma.config.ts --file examples/clinic/prisma/seed.sql',
  },
  datasource: {
    // Read as it is, not through env(): `prisma validate` and `format` need no database.
    url: process.env.DATABASE_URL ?? '',
  },
});
