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
import { queryOne } from '../../postgres/read.js';
import { type ForeignKey, listForeignKeys, orphanQuery } from './foreign-keys.js';

/** A foreign key, and how many rows violate it. */
export interface CheckedForeignKey extends ForeignKey {
  readonly orphans: number;
}

/** A sequence and its direction. */
export interface RestoredSequence extends SequenceState {
  readonly descending: boolean;
  readonly cycles: boolean;
}

/** Contents and structure of a restored database, as a manifest has them of the dumped one, and its foreign keys. */
export interface Restored {
  readonly catalogue: Catalogue;
  readonly tables: readonly TableContents[];
  readonly sequences: readonly RestoredSequence[];
  readonly migrations: readonly AppliedMigration[] | null;
  readonly foreignKeys: readonly CheckedForeignKey[];
  readonly inheritance: Inheritance;
}

/** Which parts of a restored database's tables are inherited from a parent or partitioned table. */
export interface Inheritance {
  /** Inherited constraints, as `table constraint`: a dump does not contain their names. */
  readonly constraints: ReadonlySet<string>;
  /** Inherited columns, as `table.column`. */
  readonly columns: ReadonlySet<string>;
  /** The topmost hash-partitioned table above each partition. A restore may move rows among its partitions. */
  readonly hashed: ReadonlyMap<string, string>;
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

/** A piece of the scan: uses a connection and keeps its result. */
type Piece = (client: Client) => Promise<void>;

/**
 * Reads a restored database completely, with the session settings of a backup's snapshot. Two connections share the
 * scan. They need no common snapshot, because no other session writes there.
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
      // Both scans take from one queue.
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

/** Sorts by size: the small tables come last, so that both connections end at about the same time. */
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
  const { orphans } = await releasingLocks(client, () =>
    queryOne<{ orphans: string }>(client, orphanQuery(key)),
  );
  return Number(orphans);
}

/** Reads it in the transaction that the caller has open. */
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
