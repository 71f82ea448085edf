import type { Client } from 'pg';
import type { AppliedMigration, SequenceState, TableContents } from '../backup/backup.types.js';
import type { Catalogue } from '../postgres/catalogue/catalogue.types.js';
import { OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';
import { readCatalogue } from '../postgres/catalogue/read-catalogue.js';
import { beginSnapshot, releasingLocks, whileConnected } from '../backup/snapshot.js';
import { listTables, readContents, readSequences, type TablePlan } from '../backup/table-contents.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { withConnection } from '../postgres/connect.js';
import { readAppliedMigrations } from '../migrations/applied-migrations.js';
import { together } from '../core/process/together.js';
import { listForeignKeys, orphanQuery, type ForeignKey } from './foreign-keys.js';
import { readInheritance, type Inheritance } from './inheritance.js';

/** A foreign key, and how many rows break it. */
export interface CheckedForeignKey extends ForeignKey {
  readonly orphans: number;
}

/** A sequence, and which way it goes. */
export interface RestoredSequence extends SequenceState {
  readonly descending: boolean;
  readonly cycles: boolean;
}

/** What a restored database holds: all that a manifest says of the one that was dumped, and its foreign keys. */
export interface Restored {
  readonly catalogue: Catalogue;
  readonly tables: readonly TableContents[];
  readonly sequences: readonly RestoredSequence[];
  readonly migrations: readonly AppliedMigration[] | null;
  readonly foreignKeys: readonly CheckedForeignKey[];
  readonly inheritance: Inheritance;
}

interface Options {
  readonly connectTimeoutMs: number;
  /** The schema of the application's `_prisma_migrations`. */
  readonly migrationsSchema: string;
  readonly signal: AbortSignal;
}

type Facts = Omit<Restored, 'tables' | 'foreignKeys'> & {
  readonly plans: readonly TablePlan[];
  readonly keys: readonly ForeignKey[];
};

/** A piece of the scan: takes a connection, and keeps what it found. */
type Piece = (client: Client) => Promise<void>;

/**
 * Reads the whole of a restored database, with the session settings of the snapshot that was dumped. Two
 * connections share the scan: nobody else writes there, so that they need no common snapshot.
 */
export async function readRestored(url: DatabaseUrl, options: Options): Promise<Restored> {
  const { plans, keys, ...facts } = await onSnapshot(url, options, options.signal, (client) =>
    readFacts(client, options.migrationsSchema),
  );
  const tables: TableContents[] = [];
  const foreignKeys: CheckedForeignKey[] = [];
  const pieces = [
    ...plans.map(
      (plan): Piece =>
        async (client) =>
          void tables.push(...(await readContents(client, [plan]))),
    ),
    ...keys.map(
      (key): Piece =>
        async (client) =>
          void foreignKeys.push({ ...key, orphans: await countOrphans(client, key) }),
    ),
  ].values();
  const scan = (signal: AbortSignal): Promise<void> =>
    onSnapshot(url, options, signal, async (client) => {
      // One queue: whoever is free takes the next.
      for (const piece of pieces) await piece(client);
    });
  await together(options.signal, scan, scan);
  return { ...facts, tables, foreignKeys };
}

async function onSnapshot<T>(
  url: DatabaseUrl,
  { connectTimeoutMs }: Options,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const connection = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep restore test' };
  return await withConnection(url, connection, (client) =>
    whileConnected(client, signal, async () => {
      const snapshot = await beginSnapshot(client);
      try {
        return await work(client);
      } finally {
        snapshot.release();
      }
    }),
  );
}

async function readFacts(client: Client, migrationsSchema: string): Promise<Facts> {
  const catalogue = await readCatalogue(client);
  const migrations = (await readAppliedMigrations(client, migrationsSchema)) ?? null;
  const sequences = await readRestoredSequences(client);
  const plans = await largestFirst(client, await listTables(client, { unlogged: true }));
  const keys = await listForeignKeys(client);
  const inheritance = await readInheritance(client);
  return { catalogue, migrations, sequences, plans, keys, inheritance };
}

/** The small ones then fill the gaps, and both connections end at about the same time. */
async function largestFirst(client: Client, plans: readonly TablePlan[]): Promise<TablePlan[]> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `SELECT r.name, pg_catalog.pg_table_size(r.oid)::text AS bytes FROM ${OWN_RELATIONS} r WHERE r.relkind = 'r'`,
  );
  const bytes = new Map(rows.map((row) => [row.name, Number(row.bytes)]));
  return plans.toSorted((left, right) => (bytes.get(right.name) ?? 0) - (bytes.get(left.name) ?? 0));
}

async function readRestoredSequences(client: Client): Promise<RestoredSequence[]> {
  const states = await readSequences(client);
  const { rows } = await client.query<{ name: string; descending: boolean; cycles: boolean }>(
    `SELECT r.name, s.seqincrement < 0 AS descending, s.seqcycle AS cycles
       FROM ${OWN_RELATIONS} r JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid`,
  );
  const kinds = new Map(rows.map((row) => [row.name, row]));
  return states.map(({ name, lastValue }) => ({
    name,
    lastValue,
    descending: kinds.get(name)?.descending === true,
    cycles: kinds.get(name)?.cycles === true,
  }));
}

async function countOrphans(client: Client, key: ForeignKey): Promise<number> {
  const { rows } = await releasingLocks(client, () => client.query<{ orphans: string }>(orphanQuery(key)));
  return Number(rows[0]?.orphans);
}
