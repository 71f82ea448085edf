import type { Client } from 'pg';
import type { AppliedMigration, SequenceState, TableContents } from '../../backup/backup.types.js';
import { beginSnapshot, releasingLocks, whileConnected } from '../../backup/create/snapshot.js';
import {
  listTables,
  readContents,
  readSequences,
  type TablePlan,
} from '../../backup/create/table-contents.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import { runConcurrently } from '../../core/process/concurrent.js';
import { readAppliedMigrations } from '../../migrations/history/prisma-history.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { type Catalogue, readCatalogue } from '../../postgres/catalogue/read-catalogue.js';
import { withConnection } from '../../postgres/connect.js';
import { type ForeignKey, listForeignKeys, orphanQuery } from './foreign-keys.js';

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
  await runConcurrently(options.signal, scan, scan);
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

/** What tables of a restored database have from the tables above them. */
export interface Inheritance {
  /** Constraints that came with the parent's, as `table constraint`: a dump does not name them. */
  readonly constraints: ReadonlySet<string>;
  /** Columns that the parent has, too, as `table.column`. */
  readonly columns: ReadonlySet<string>;
  /** For each partition below a hash-partitioned table: the topmost one. Rows may move among its partitions. */
  readonly hashed: ReadonlyMap<string, string>;
}

/** Reads it in the caller's transaction. */
async function readInheritance(client: Client): Promise<Inheritance> {
  const constraints = await client.query<{ name: string }>(`
    SELECT pg_catalog.format('%s %I', r.name, c.conname) AS name
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
     WHERE c.conparentid <> 0 OR c.coninhcount > 0`);
  const columns = await client.query<{ name: string }>(`
    SELECT pg_catalog.format('%s.%I', r.name, a.attname) AS name
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND a.attinhcount > 0`);
  const hashed = await client.query<{ name: string; above: string }>(`
    SELECT r.name, pg_catalog.format('%I.%I', n.nspname, t.relname) AS above
      FROM ${OWN_RELATIONS} r
      CROSS JOIN LATERAL (
        SELECT p.partrelid
          FROM pg_catalog.pg_partition_ancestors(r.oid) WITH ORDINALITY a (oid, distance)
          JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.oid AND p.partstrat = 'h'
         ORDER BY a.distance DESC LIMIT 1) topmost
      JOIN pg_catalog.pg_class t ON t.oid = topmost.partrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE r.relkind = 'r' AND r.relispartition`);
  return {
    constraints: new Set(constraints.rows.map(({ name }) => name)),
    columns: new Set(columns.rows.map(({ name }) => name)),
    hashed: new Map(hashed.rows.map(({ name, above }) => [name, above])),
  };
}
