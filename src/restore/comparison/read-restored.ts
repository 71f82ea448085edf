import { type Client, escapeIdentifier } from 'pg';
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

/** A foreign key, with what a query for its orphaned rows needs. */
interface ForeignKey {
  /** `table constraint`, quoted where SQL needs it. */
  readonly name: string;
  /** As FROM takes it: with ONLY for a table whose inheriting tables' rows do not count. */
  readonly child: string;
  readonly parent: string;
  /** The columns in pairs, with the operator of the constraint. */
  readonly pairs: readonly KeyPair[];
  readonly match: 'full' | 'simple';
  /** False if it is NOT VALID: PostgreSQL has not checked the rows that existed before it. */
  readonly validated: boolean;
  /** False if its triggers are disabled: new rows are not checked. */
  readonly enabled: boolean;
}

interface KeyPair {
  readonly child: string;
  readonly operator: string;
  readonly parent: string;
}

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

/** Lists the foreign keys, without the copies on the partitions of a partitioned table. */
async function listForeignKeys(client: Client): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(`
    SELECT pg_catalog.format('%s %I', r.name, c.conname) AS name,
           pg_catalog.concat(CASE r.relkind WHEN 'r' THEN 'ONLY ' END, r.name) AS child,
           pg_catalog.concat(CASE p.relkind WHEN 'r' THEN 'ONLY ' END,
                             pg_catalog.format('%I.%I', n.nspname, p.relname)) AS parent,
           CASE c.confmatchtype WHEN 'f' THEN 'full' ELSE 'simple' END AS match,
           c.convalidated AS validated,
           NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                        WHERE t.tgconstraint = c.oid AND t.tgenabled NOT IN ('O', 'A')) AS enabled,
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                     'child', ca.attname,
                     'operator', pg_catalog.format('OPERATOR(%I.%s)', opn.nspname, op.oprname),
                     'parent', pa.attname) ORDER BY k.position)
              FROM unnest(c.conkey, c.confkey, c.conpfeqop)
                     WITH ORDINALITY AS k (child, parent, operator, position)
              JOIN pg_catalog.pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
              JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
              JOIN pg_catalog.pg_operator op ON op.oid = k.operator
              JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace) AS pairs
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid AND c.contype = 'f' AND c.conparentid = 0
      JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
     ORDER BY 1`);
  return rows;
}

/**
 * Returns the query that counts the rows that violate a foreign key. MATCH SIMPLE ignores rows with a NULL in the key,
 * MATCH FULL only rows whose key is NULL in every column.
 */
export function orphanQuery({ child, parent, pairs, match }: ForeignKey): string {
  const columns = pairs.map((pair) => `c.${escapeIdentifier(pair.child)}`);
  const equal = pairs.map(
    (pair) => `p.${escapeIdentifier(pair.parent)} ${pair.operator} c.${escapeIdentifier(pair.child)}`,
  );
  const allThere = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
  const missing = `${allThere} AND NOT EXISTS (SELECT FROM ${parent} p WHERE ${equal.join(' AND ')})`;
  const mixed = `num_nulls(${columns.join(', ')}) BETWEEN 1 AND ${columns.length - 1}`;
  const broken = match === 'full' && columns.length > 1 ? `(${missing}) OR pg_catalog.${mixed}` : missing;
  return `SELECT pg_catalog.count(*)::text AS orphans FROM ${child} c WHERE ${broken}`;
}
