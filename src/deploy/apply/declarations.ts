import type { ColumnDef, IndexStmt, Node, TypeName } from 'libpg-query';
import { type ClientBase, escapeIdentifier } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { commandsOf, quoted, stringsOf, tableOf } from '../../migrations/sql/syntax-tree.js';

/** A column as a statement declares it. */
export interface DeclaredColumn {
  readonly name: string;
  /** For `to_regtype`; undefined if the name alone does not define it. */
  readonly type: string | undefined;
}

/**
 * What a statement creates unless the name exists (`IF NOT EXISTS`), or changes only if it exists
 * (`IF EXISTS`): PostgreSQL does not compare what it finds.
 */
export type Declaration =
  | { readonly kind: 'table'; readonly name: string; readonly columns: readonly DeclaredColumn[] }
  | { readonly kind: 'sequence' | 'materialized view' | 'altered'; readonly name: string }
  | { readonly kind: 'column'; readonly table: string; readonly column: DeclaredColumn }
  | {
      readonly kind: 'index';
      /** Unquoted; its schema is that of its table. */
      readonly name: string;
      readonly table: string;
      readonly isUnique: boolean;
      readonly isConcurrent: boolean;
      /** Undefined if one of them is an expression. */
      readonly columns: readonly string[] | undefined;
    };

/** The types behind the names that also create a sequence. */
const SERIALS: Readonly<Record<string, string>> = {
  serial: 'int4',
  serial4: 'int4',
  bigserial: 'int8',
  serial8: 'int8',
  smallserial: 'int2',
  serial2: 'int2',
};

/** Returns what a statement declares under a condition; none for any other statement. Pure. */
export function declarationsOf(node: Node): Declaration[] {
  if ('CreateStmt' in node && node.CreateStmt.if_not_exists) {
    const { relation, tableElts = [] } = node.CreateStmt;
    const columns = tableElts.flatMap((part) => ('ColumnDef' in part ? [columnOf(part.ColumnDef)] : []));
    return [{ kind: 'table', name: quoted(tableOf(relation)), columns }];
  }
  if ('CreateSeqStmt' in node && node.CreateSeqStmt.if_not_exists) {
    return [{ kind: 'sequence', name: quoted(tableOf(node.CreateSeqStmt.sequence)) }];
  }
  if ('CreateTableAsStmt' in node && node.CreateTableAsStmt.if_not_exists) {
    const { into, objtype } = node.CreateTableAsStmt;
    const name = quoted(tableOf(into?.rel));
    return objtype === 'OBJECT_MATVIEW'
      ? [{ kind: 'materialized view', name }]
      : [{ kind: 'table', name, columns: [] }];
  }
  if ('IndexStmt' in node && node.IndexStmt.if_not_exists) return [indexOf(node.IndexStmt)];
  return alteredBy(node);
}

function alteredBy(node: Node): Declaration[] {
  if (!('AlterTableStmt' in node)) return [];
  const table = quoted(tableOf(node.AlterTableStmt.relation));
  if (node.AlterTableStmt.missing_ok) return [{ kind: 'altered', name: table }];
  return commandsOf(node).flatMap(({ subtype, missing_ok: isConditional, def }): Declaration[] =>
    subtype === 'AT_AddColumn' && isConditional && def && 'ColumnDef' in def
      ? [{ kind: 'column', table, column: columnOf(def.ColumnDef) }]
      : [],
  );
}

function indexOf({
  idxname = '',
  relation,
  unique = false,
  concurrent = false,
  indexParams = [],
}: IndexStmt) {
  const columns = indexParams.flatMap((part) =>
    'IndexElem' in part && part.IndexElem.name !== undefined ? [part.IndexElem.name] : [],
  );
  return {
    kind: 'index',
    name: idxname,
    table: quoted(tableOf(relation)),
    isUnique: unique,
    isConcurrent: concurrent,
    columns: columns.length === indexParams.length ? columns : undefined,
  } as const;
}

function columnOf({ colname = '', typeName }: ColumnDef): DeclaredColumn {
  return { name: colname, type: typeOf(typeName) };
}

function typeOf(type: TypeName | undefined): string | undefined {
  const names = stringsOf(type?.names);
  const [only = ''] = names;
  if (names.length === 0 || type?.pct_type) return undefined;
  const name =
    names.length === 1 && SERIALS[only] !== undefined
      ? `pg_catalog.${SERIALS[only]}`
      : names.map((part) => escapeIdentifier(part)).join('.');
  return type?.arrayBounds === undefined ? name : `${name}[]`;
}

/** The existing relation of that name. */
interface FoundRelation {
  readonly kind: string;
  readonly name: string;
}

interface FoundIndex {
  readonly name: string;
  readonly isValid: boolean;
  readonly isHere: boolean;
  readonly table: string;
  readonly isUnique: boolean;
  readonly columns: string[];
}

const KINDS: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  f: 'foreign table',
  v: 'view',
  m: 'materialized view',
  i: 'index',
  I: 'index',
  S: 'sequence',
  c: 'composite type',
};

/** Names resolve as in the script, by the search_path of the session. */
const RELATION = `
  SELECT c.relkind AS kind, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = pg_catalog.to_regclass($1)`;

const COLUMNS = `
  SELECT d.name AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
         a.attnum IS NOT NULL AS "isThere",
         coalesce(a.atttypid <> pg_catalog.to_regtype(d.type), false) AS "isOther"
    FROM pg_catalog.json_to_recordset($2) AS d (name text, type text)
    LEFT JOIN pg_catalog.pg_attribute a
      ON a.attrelid = pg_catalog.to_regclass($1) AND a.attname = d.name AND a.attnum > 0 AND NOT a.attisdropped`;

/** An index is in the schema of its table, whatever the search_path. */
const INDEX = `
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
         -- One of a partitioned table is not valid until each partition has its own.
         c.relkind = 'I' OR i.indisvalid AND i.indisready AS "isValid",
         i.indrelid = pg_catalog.to_regclass($2) AS "isHere", i.indrelid::pg_catalog.regclass::text AS table,
         i.indisunique AS "isUnique",
         ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k (number, place)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                ORDER BY k.place) AS columns
    FROM pg_catalog.pg_class t
    JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
   WHERE t.oid = pg_catalog.to_regclass($2) AND c.relname = $1`;

/**
 * Checks that the object of a statement with `IF NOT EXISTS` or `IF EXISTS` is what the statement declares.
 * @param onFound called with each difference
 * @throws PgkeepError `DEPLOY_FAILED` if an index of that name is invalid: it is not used and, if it is unique,
 *   uniqueness is not enforced; what the connection throws.
 */
export async function checkDeclaration(
  client: ClientBase,
  declaration: Declaration,
  onFound: (text: string) => void,
): Promise<void> {
  switch (declaration.kind) {
    case 'index':
      return await checkIndex(client, declaration, onFound);
    case 'column':
      return await checkColumns(client, declaration.table, [declaration.column], onFound);
    default: {
      const { kind, name } = declaration;
      const { rows } = await client.query<FoundRelation>(RELATION, [name]);
      const [found] = rows;
      if (kind === 'altered') {
        if (!found) onFound(`ALTER TABLE IF EXISTS did nothing: there is no table ${name}`);
        return;
      }
      if (!found) return;
      const is = KINDS[found.kind] ?? 'relation';
      if (is !== kind) onFound(`CREATE … IF NOT EXISTS did nothing: ${found.name} is a ${is}, not a ${kind}`);
      else if (kind === 'table') await checkColumns(client, name, declaration.columns, onFound);
    }
  }
}

async function checkColumns(
  client: ClientBase,
  table: string,
  columns: readonly DeclaredColumn[],
  onFound: (text: string) => void,
): Promise<void> {
  if (columns.length === 0) return;
  const { rows } = await client.query<{ name: string; type: string; isThere: boolean; isOther: boolean }>(
    COLUMNS,
    [table, JSON.stringify(columns)],
  );
  const faults = rows.flatMap(({ name, type, isThere, isOther }) => {
    if (!isThere) return [`has no column ${name}`];
    return isOther ? [`has column ${name} as ${type}`] : [];
  });
  if (faults.length === 0) return;
  onFound(`IF NOT EXISTS did nothing: table ${table} already existed and ${faults.join(', ')}`);
}

async function checkIndex(
  client: ClientBase,
  { name, table, isUnique, isConcurrent, columns }: Extract<Declaration, { kind: 'index' }>,
  onFound: (text: string) => void,
): Promise<void> {
  const { rows } = await client.query<FoundIndex>(INDEX, [name, table]);
  const [found] = rows;
  if (!found) {
    onFound(`CREATE INDEX IF NOT EXISTS did nothing: ${escapeIdentifier(name)} is not an index`);
    return;
  }
  if (!found.isValid) throw invalidIndex(found.name, isConcurrent);
  const faults = [
    ...(found.isHere ? [] : [`is on table ${found.table}`]),
    ...(isUnique && !found.isUnique ? ['is not unique'] : []),
    ...(columns !== undefined && columns.join('\0') !== found.columns.join('\0')
      ? [`is on (${found.columns.join(', ')})`]
      : []),
  ];
  if (faults.length === 0) return;
  onFound(`CREATE INDEX IF NOT EXISTS did nothing: ${found.name} already existed and ${faults.join(', ')}`);
}

/** Returns the error of an invalid index that `IF NOT EXISTS` accepted. */
function invalidIndex(name: string, isConcurrent: boolean): PgkeepError {
  return new PgkeepError(
    'DEPLOY_FAILED',
    `Index ${name} already existed and is invalid: IF NOT EXISTS did nothing, and PostgreSQL does not use the index.`,
    { hint: `DROP INDEX ${isConcurrent ? 'CONCURRENTLY ' : ''}${name};` },
  );
}
