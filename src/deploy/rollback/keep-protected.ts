import type { ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { findProtectedLoss } from '../protected-losses.js';
import { readProtectedTables } from '../protected-tables.js';
import { rollbackRefused } from '../refused.js';
import type { Down } from './read-down.js';

/** What is to be typed where the rows of a protected table are meant to go. */
const KEEP_HINT =
  'Write down.sql so that the rows stay. Where it is meant, and agreed on, roll back once without that name in PROTECTED_TABLES.';

/**
 * Refuses a `down.sql` that takes rows of a protected table, whatever `--lose` names.
 * @returns the names of protected tables, and of those that their rows lie in or belong to; what is worth knowing.
 * @throws PgkeepError `ROLLBACK_REFUSED`; what the connection throws.
 */
export async function keepProtected(
  client: ClientBase,
  { parsed }: Down,
  { deploy, database }: Settings,
  timeouts: ReadTimeouts,
): Promise<{ names: ReadonlySet<string>; notes: readonly string[] }> {
  const { schema } = database.url;
  const options = { schema, timeouts, refuse: rollbackRefused };
  const { tables, notes } = await readProtectedTables(client, deploy.protectedTables, options);
  const loss = findProtectedLoss([parsed], tables, schema);
  if (loss) {
    throw rollbackRefused(
      `${loss.place} is ${loss.what}, and takes rows of ${loss.table}, which is protected (PROTECTED_TABLES)`,
      KEEP_HINT,
    );
  }
  return { names: new Set(tables.flatMap(({ family }) => family)), notes };
}

/** The refusal of one whose text did not say that it takes such rows. */
export function tookProtected(what: string) {
  return rollbackRefused(
    `its text does not say so, and it took ${what}, which is protected (PROTECTED_TABLES): it was taken back`,
    KEEP_HINT,
  );
}
