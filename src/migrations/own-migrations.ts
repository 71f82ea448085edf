import { fileURLToPath } from 'node:url';

/** pgkeep's own migrations, shipped beside its code: `prisma/migrations` of this package. */
export const OWN_MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** PostgreSQL schema of pgkeep's own records, and of the history of its own migrations. */
export const OWN_SCHEMA = 'pgkeep';
