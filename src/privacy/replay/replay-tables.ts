import type { ClientBase } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { countedList } from '../../core/text.js';
import type { Rules } from '../../prisma-schema/rules.js';
import { readRowTables, type RowTable } from '../row-tables.js';
import type { TableReplay } from './plan-replay.js';

/** A table of the database, and what to do to its rows. */
export interface ReplayTable {
  readonly rows: RowTable;
  readonly replay: TableReplay;
}

interface CatalogueTable {
  readonly name: string;
  readonly oid: number;
  readonly sql: string;
  readonly types: Readonly<Record<string, string>>;
}

const CATALOGUE = `
  SELECT w.name, c.oid::int8::float8 AS oid,
         pg_catalog.format('%I.%I', n.nspname, c.relname) AS sql,
         (SELECT pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types
    FROM pg_catalog.unnest($1::text[]) AS w (name)
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(w.name) AND c.relkind IN ('r', 'p')
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;

/**
 * Finds the tables of a replay in a database. A deletion needs the names in the ledger only; marks and anonymizations
 * need the model as well.
 * @throws PgkeepError `RESTORE_REFUSED` for what is not there.
 */
export async function readReplayTables(
  client: ClientBase,
  plan: readonly TableReplay[],
  { rules, defaultSchema }: { rules: Rules | undefined; defaultSchema: string },
): Promise<ReplayTable[]> {
  const { rows } = await client.query<CatalogueTable>(CATALOGUE, [plan.map(({ table }) => table)]);
  const found = new Map(rows.map((row) => [row.name, row]));
  const models = new Map(
    (rules ? await readRowTables(client, rules, defaultSchema) : []).map((table) => [table.name, table]),
  );
  const missing: string[] = [];
  const tables = plan.flatMap((replay) => {
    const row = found.get(replay.table);
    const table = row && replayTable(row, replay, models.get(replay.table));
    const why = row ? faultOf(row, replay, table) : `table ${replay.table}`;
    if (why !== undefined) missing.push(why);
    return table ? [{ rows: table, replay }] : [];
  });
  if (missing.length > 0) throw notThere(missing, rules !== undefined);
  return tables;
}

/** The keys in the ledger say what the key was when the row was erased: which columns, and which of them are hashed. */
function replayTable(row: CatalogueTable, replay: TableReplay, model: RowTable | undefined): RowTable {
  const [sample = '{}'] = keysOf(replay);
  const parsed: Readonly<Record<string, unknown>> = JSON.parse(sample);
  const hashed = Object.entries(parsed).filter(([, value]) => typeof value === 'object' && value !== null);
  return {
    rules: model?.rules,
    oid: row.oid,
    name: row.name,
    sql: row.sql,
    deleteRule: model?.deleteRule,
    key: Object.keys(parsed).flatMap((name) => {
      const type = row.types[name];
      return type === undefined ? [] : [{ name, type }];
    }),
    personalKey: new Set(hashed.map(([name]) => name)),
    deletedAt: model?.deletedAt,
    deletedBy: model?.deletedBy,
  };
}

function keysOf({ deleted, anonymized, restored, marked }: TableReplay): string[] {
  return [...deleted, ...anonymized, ...restored, ...marked.map(({ key }) => key)];
}

/** Returns what is missing in a table; undefined if everything is there. */
function faultOf(
  { name, types }: CatalogueTable,
  replay: TableReplay,
  table: RowTable | undefined,
): string | undefined {
  const columns = new Set(
    keysOf(replay).flatMap((key) => {
      const parsed: Readonly<Record<string, unknown>> = JSON.parse(key);
      return Object.keys(parsed);
    }),
  );
  const gone = [...columns].filter((column) => types[column] === undefined);
  if (gone.length > 0) return `${countedList('column', gone)} of ${name}`;
  if (columns.size !== table?.key.length) return `the one key of ${name}`;
  if (replay.marked.length + replay.restored.length > 0 && !table.deletedAt)
    return `the column deletedAt of ${name}`;
  if (replay.anonymized.length > 0 && !table.rules) return `the model of ${name}`;
  return undefined;
}

function notThere(missing: readonly string[], hasRules: boolean): PgkeepError {
  const hint = hasRules
    ? 'The backup is from before a migration, or from after one that renamed this. Restore with `--without-erasures`, run `pgkeep migrate deploy`, then `pgkeep privacy replay`.'
    : 'No Prisma schema was found: run the command in the application’s directory, or set MIGRATIONS_DIR. Or restore with `--without-erasures`, and run `pgkeep privacy replay` there.';
  return new PgkeepError(
    'RESTORE_REFUSED',
    `Refused to replay the erasures since the backup: ${missing.join('; ')} ${missing.length === 1 ? 'is' : 'are'} not in the restored database. Nothing was changed.`,
    { hint },
  );
}
