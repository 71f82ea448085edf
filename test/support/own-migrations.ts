import { readdirSync } from 'node:fs';
import { OWN_MIGRATIONS_DIRECTORY } from '../../src/migrations/history/migration-directory.js';

/** The names of the migrations of pgkeep's own schema, in order. */
export const OWN_MIGRATIONS = readdirSync(OWN_MIGRATIONS_DIRECTORY)
  .filter((name) => /^\d/.test(name))
  .toSorted();
