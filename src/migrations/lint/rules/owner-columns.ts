import type { ColumnDef, CreateStmt, Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import {
  commandsOf,
  constraintsOf,
  quoted,
  stringsOf,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import type { Rule, Violation } from '../rule.js';
import { columnType } from '../columns.js';

const FIRST_STEP =
  '-- Right as the first of three steps: fill it in the next migration, require it in the one after.';

/** An owner column that may be empty: rows that belong to nobody. Judged where `MIGRATIONS_OWNER_COLUMNS` is set. */
export const nullableOwner: Rule = {
  id: 'nullable-owner',
  on: ['CreateStmt', 'AlterTableStmt'],
  check: ({ node, index, indexOf }, context) => {
    const violation = (table: TableName, column: string, at: number, rewrite: string): Violation => ({
      // The first of the three steps to a required column is a nullable one.
      severity: rewrite === FIRST_STEP ? 'info' : 'warning',
      index: at,
      message: `${escapeIdentifier(column)} of ${quoted(table)} may be NULL: a row without an owner is everybody’s or nobody’s, and no query by owner finds it.`,
      rewrite,
    });
    const found: Violation[] = [];
    if (!context.ownerIsDeclared) return found;
    for (const { table, column, isNew, required } of ownerColumns(node, context.ownerColumns)) {
      if (required) continue;
      const type = columnType(column.typeName).sql;
      const name = column.colname ?? '';
      const rewrite = isNew ? `${escapeIdentifier(name)} ${type} NOT NULL` : FIRST_STEP;
      found.push(violation(table, name, indexOf(column.location), rewrite));
    }
    for (const { subtype, name = '' } of commandsOf(node)) {
      if (subtype !== 'AT_DropNotNull' || !context.ownerColumns.includes(name) || !('AlterTableStmt' in node))
        continue;
      found.push(violation(tableOf(node.AlterTableStmt.relation), name, index, '-- Leave it required.'));
    }
    return found;
  },
};

/** A new table without an owner column, where `MIGRATIONS_OWNER_COLUMNS` is set. */
export const missingOwner: Rule = {
  id: 'missing-owner',
  on: ['CreateStmt'],
  check: ({ node, index }, { schema, ownerColumns: names, ownerIsDeclared }) => {
    if (!ownerIsDeclared || !('CreateStmt' in node) || takesColumnsFromElsewhere(node.CreateStmt)) return [];
    if (node.CreateStmt.relation?.relpersistence === 't') return [];
    if (columnsOf(node.CreateStmt).some(({ colname = '' }) => names.includes(colname))) return [];
    const owned = [...schema.all()].flatMap(({ columns }) => names.filter((name) => columns.has(name)));
    const name = owned[0] ?? names[0] ?? '';
    return [
      {
        severity: 'warning',
        index,
        message: `${quoted(tableOf(node.CreateStmt.relation))} has no owner column (${names.join(', ')}): whose its rows are, nobody can ask.`,
        rewrite: `${escapeIdentifier(name)} … NOT NULL -- or waive this, where the rows belong to nobody: reference data, a join table`,
      },
    ];
  },
};

/** PARTITION OF, INHERITS, LIKE: its columns are another table's. */
function takesColumnsFromElsewhere({ partbound, inhRelations, tableElts }: CreateStmt): boolean {
  const isLike = (tableElts ?? []).some((element) => 'TableLikeClause' in element);
  return isLike || partbound !== undefined || inhRelations !== undefined;
}

interface OwnerColumn {
  readonly table: TableName;
  readonly column: ColumnDef;
  /** Whether the table is made here. */
  readonly isNew: boolean;
  readonly required: boolean;
}

function ownerColumns(node: Node, names: readonly string[]): OwnerColumn[] {
  const isOwner = ({ colname = '' }: ColumnDef): boolean => names.includes(colname);
  if ('CreateStmt' in node) {
    const keys = primaryKey(node.CreateStmt);
    const table = tableOf(node.CreateStmt.relation);
    return columnsOf(node.CreateStmt)
      .filter(isOwner)
      .map((column) => ({ table, column, isNew: true, required: isRequired(column, keys) }));
  }
  if (!('AlterTableStmt' in node)) return [];
  const table = tableOf(node.AlterTableStmt.relation);
  return commandsOf(node)
    .flatMap(({ subtype, def }) =>
      subtype === 'AT_AddColumn' && def && 'ColumnDef' in def ? [def.ColumnDef] : [],
    )
    .filter(isOwner)
    .map((column) => ({ table, column, isNew: false, required: isRequired(column, []) }));
}

function columnsOf({ tableElts }: CreateStmt): ColumnDef[] {
  return (tableElts ?? []).flatMap((element) => ('ColumnDef' in element ? [element.ColumnDef] : []));
}

function primaryKey({ tableElts }: CreateStmt): string[] {
  return constraintsOf(tableElts).flatMap(({ contype, keys }) =>
    contype === 'CONSTR_PRIMARY' ? stringsOf(keys) : [],
  );
}

function isRequired({ colname = '', constraints }: ColumnDef, keys: readonly string[]): boolean {
  const kinds = new Set(constraintsOf(constraints).map(({ contype }) => contype));
  return keys.includes(colname) || kinds.has('CONSTR_NOTNULL') || kinds.has('CONSTR_PRIMARY');
}
