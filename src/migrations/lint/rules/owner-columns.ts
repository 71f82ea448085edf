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
import type { StatementRule, Violation } from '../rule.js';
import { columnType } from '../columns.js';

const FIRST_STEP =
  '-- Right as the first of three steps: fill it in the next migration, and require it in the one after that.';

export const nullableOwner: StatementRule = {
  id: 'nullable-owner',
  severity: 'warning',
  otherwise: 'a remark for a new column of an existing table, which is the first of the three steps',
  summary: 'An owner column that may be NULL',
  details: 'Only if `MIGRATIONS_OWNER_COLUMNS` is set: the columns that name the owner of a row.',
  breaks: 'Queries by owner do not find rows without one.',
  instead: '`NOT NULL`.',
  isOptional: true,
  on: ['CreateStmt', 'AT_AddColumn', 'AT_DropNotNull'],
  check: ({ node, index, indexOf }, context) => {
    const violation = (table: TableName, column: string, at: number, rewrite: string): Violation => ({
      // The first of the three steps to a required column is a nullable one.
      ...(rewrite === FIRST_STEP && { severity: 'info' }),
      index: at,
      message: `${escapeIdentifier(column)} of ${quoted(table)} may be NULL. Queries by owner do not find rows without one.`,
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
      found.push(
        violation(tableOf(node.AlterTableStmt.relation), name, index, '-- Keep the column required.'),
      );
    }
    return found;
  },
};

export const missingOwner: StatementRule = {
  id: 'missing-owner',
  severity: 'warning',
  summary: 'A new table without an owner column',
  details: 'Only if `MIGRATIONS_OWNER_COLUMNS` is set: the columns that name the owner of a row.',
  breaks: 'The owner of the rows is unknown.',
  instead: 'Add the column; or waive the finding if the rows have no owner (reference data, a join table).',
  isOptional: true,
  on: ['CreateStmt'],
  check: ({ node, index }, { schema, ownerColumns: names, ownerIsDeclared }) => {
    if (!ownerIsDeclared || !('CreateStmt' in node) || takesColumnsFromElsewhere(node.CreateStmt)) return [];
    if (node.CreateStmt.relation?.relpersistence === 't') return [];
    if (columnsOf(node.CreateStmt).some(({ colname = '' }) => names.includes(colname))) return [];
    const owned = [...schema.all()].flatMap(({ columns }) => names.filter((name) => columns.has(name)));
    const name = owned[0] ?? names[0] ?? '';
    return [
      {
        index,
        message: `${quoted(tableOf(node.CreateStmt.relation))} has no owner column (${names.join(', ')}), so the owner of its rows is unknown.`,
        rewrite: `${escapeIdentifier(name)} … NOT NULL -- or waive this if the rows have no owner: reference data, a join table`,
      },
    ];
  },
};

/** Whether another table gives the columns: PARTITION OF, INHERITS, LIKE. */
function takesColumnsFromElsewhere({ partbound, inhRelations, tableElts }: CreateStmt): boolean {
  const isLike = (tableElts ?? []).some((element) => 'TableLikeClause' in element);
  return isLike || partbound !== undefined || inhRelations !== undefined;
}

interface OwnerColumn {
  readonly table: TableName;
  readonly column: ColumnDef;
  /** Whether the statement creates the table. */
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
