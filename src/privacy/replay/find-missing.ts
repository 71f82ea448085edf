import type { Client } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { boundedList, counted, pluralOf } from '../../core/text.js';
import type { LedgerEntry, StoredEntry } from '../ledger/ledger-entry.js';
import type { LedgerObjects } from '../ledger/ledger-objects.js';
import { hasLedger, readActionIds, readEntries, readSaltDigest } from '../ledger/read-ledger.js';
import type { RowTable } from '../row-tables.js';

/** Where erasures are looked for that a database does not know. */
export interface Sources {
  /** Another database of the same history: the one that a restore replaces. */
  readonly database: Client | undefined;
  /** Its tables by their names in the ledger, for the times of marks. */
  readonly tables: ReadonlyMap<string, RowTable>;
  /** The copies beside the backups. */
  readonly places: readonly LedgerObjects[];
  /** The digest of a salt that counts as this database's: it was restored from a backup without one. */
  readonly acceptedSalt: string | undefined;
  /** Completes "Refused to …". */
  readonly operation: string;
}

/** What was found. */
export interface Missing {
  readonly entries: readonly LedgerEntry[];
  /** The digest of the salt that the keys of the entries are hashed with. */
  readonly salt: string;
  readonly notes: readonly string[];
  /** Whether the other database has the same history: what is new there concerns the rows here. */
  readonly isSameHistory: boolean;
}

/**
 * Finds the actions that a database's ledger lacks: in another database, and in the copies beside the backups. By their
 * ids, so that no clock decides.
 * @param hadLedger whether the ledger, and with it the salt, is from the backup
 * @throws PgkeepError `RESTORE_REFUSED` if no source can be read, or none is complete.
 */
export async function findMissing(
  client: Client,
  { hadLedger }: { hadLedger: boolean },
  { database, tables, places, acceptedSalt, operation }: Sources,
): Promise<Missing> {
  const known = new Set(await readActionIds(client));
  const ownSalt = await readSaltDigest(client);
  const notes: string[] = [];
  const why: string[] = [];
  const entries = new Map<string, LedgerEntry>();
  let salt = acceptedSalt ?? ownSalt;
  let isKnown = false;
  let isSameHistory = false;
  if (database) {
    const found = await ofDatabase(database, { known, tables, salt: hadLedger ? ownSalt : undefined });
    if (found === undefined) why.push('the replaced database has another history');
    else {
      isKnown = true;
      isSameHistory = true;
      salt = found.salt ?? salt;
      for (const entry of found.entries) entries.set(entry.action.id, entry);
    }
  }
  const shipped = await readActionIds(client, { shipped: true });
  const stored = new Map<string, StoredEntry>();
  for (const place of places) {
    try {
      const keys = await place.keys();
      const lost = shipped.filter((id) => !keys.has(id));
      if (lost.length > 0) {
        why.push(`${place.storage.location} lacks ${counted(lost.length, 'action')} that the backup knows`);
      } else isKnown = true;
      for (const [id, key] of keys) {
        if (known.has(id) || entries.has(id) || stored.has(id)) continue;
        stored.set(id, await place.read(key));
      }
    } catch (error) {
      if (!(error instanceof PgkeepError)) throw error;
      why.push(error.message);
    }
  }
  if (!isKnown) throw unknownErasures(operation, why);
  const salts = [...new Set([...stored.values()].map(({ action }) => action.salt))];
  // A backup without a ledger has no salt: the one salt of the copies is the database's then.
  if (!hadLedger && entries.size === 0 && acceptedSalt === undefined && salts.length === 1)
    salt = salts[0] ?? salt;
  const own = [...stored.values()].filter(({ action }) => action.salt === salt);
  if (own.length < stored.size) {
    const foreign = salts.filter((digest) => digest !== salt);
    const others = stored.size - own.length;
    notes.push(
      `${counted(others, 'erasure')} beside the backups ${pluralOf(others, 'is', 'are')} of a database with another salt (${boundedList(foreign)}), and ${pluralOf(others, 'was', 'were')} not replayed. To take ${pluralOf(others, 'it', 'them')} for this database’s: \`pgkeep privacy replay --accept-salt ${foreign[0] ?? ''}\``,
    );
  }
  for (const entry of own) entries.set(entry.action.id, entry);
  if (why.length > 0) notes.push(`erasures may be missing: ${why.join('; ')}`);
  return { entries: [...entries.values()], salt, notes, isSameHistory };
}

/** Returns what another database knows; undefined if it has another history: its keys name other people. */
async function ofDatabase(
  database: Client,
  {
    known,
    tables,
    salt,
  }: { known: ReadonlySet<string>; tables: ReadonlyMap<string, RowTable>; salt: string | undefined },
): Promise<{ entries: LedgerEntry[]; salt: string | undefined } | undefined> {
  // Without a ledger nothing was erased by pgkeep there.
  if (!(await hasLedger(database))) return { entries: [], salt: undefined };
  const there = await readSaltDigest(database);
  if (salt !== undefined && there !== salt) return undefined;
  const missing = (await readActionIds(database)).filter((id) => !known.has(id));
  return { entries: await readEntries(database, missing, tables), salt: there };
}

/**
 * Finds the actions since a time, in a database and in the copies beside the backups.
 * @throws PgkeepError `RESTORE_REFUSED` if neither can be read.
 */
export async function findSince(
  time: string,
  { database, tables, places }: Omit<Sources, 'acceptedSalt' | 'operation'>,
): Promise<LedgerEntry[]> {
  const why: string[] = [];
  const entries: LedgerEntry[] = [];
  const known = new Set<string>();
  let isKnown = false;
  if (database) {
    isKnown = true;
    if (await hasLedger(database)) {
      for (const id of await readActionIds(database)) known.add(id);
      const ids = await readActionIds(database, { since: time });
      entries.push(...(await readEntries(database, ids, tables)));
    }
  }
  for (const place of places) {
    try {
      for (const [id, key] of await place.keys()) {
        if (known.has(id)) continue;
        known.add(id);
        const entry = await place.read(key);
        if (entry.action.openedAt >= time) entries.push(entry);
      }
      isKnown = true;
    } catch (error) {
      if (!(error instanceof PgkeepError)) throw error;
      why.push(error.message);
    }
  }
  if (isKnown) return entries;
  throw unknownErasures('restore', why);
}

function unknownErasures(operation: string, why: readonly string[]): PgkeepError {
  return new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to ${operation}: the erasures since the backup are not known. ${why.join('. ')}. People who were erased since would come back. Nothing was changed.`,
    {
      hint: 'Fix that, or restore without them: `--without-erasures`. /ready then reports ERASURES_UNKNOWN until `pgkeep privacy replay`.',
    },
  );
}
