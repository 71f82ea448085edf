import type { ColumnDef } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import type { Statement } from '../../sql/statements.js';
import {
  addedColumns,
  columnOf,
  commandsOf,
  constraintsOf,
  objectName,
  quoted,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';
import { columnType, type ColumnType, existingValue, isFreeTypeChange } from '../columns.js';

export const columnTypeChange: StatementRule = {
  id: 'column-type-change',
  severity: 'error',
  summary: 'A type change that rewrites the table',
  details:
    'Not for changes that PostgreSQL makes without touching a row: a wider `VARCHAR`, `VARCHAR` to `TEXT`, a wider `DECIMAL` and others. If the column has a validated `CHECK`, PostgreSQL reads the table to check every row again, which is found as well.',
  breaks:
    'PostgreSQL rewrites the table and its indexes under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead:
    'Add a second column with the new type, fill it, and release an application version that uses it. For a `CHECK`: drop it before the type change, and add it again with `NOT VALID`.',
  largeTablesOnly: true,
  on: ['AT_AlterColumnType'],
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const known = context.schema.table(table);
    const changes = commandsOf(node).flatMap(({ subtype, name = '', def }): TypeChange[] => {
      if (subtype !== 'AT_AlterColumnType' || !def || !('ColumnDef' in def)) return [];
      if (context.isNewColumn(table, name)) return [];
      const from = known?.columns.get(name)?.type;
      const to = columnType(def.ColumnDef.typeName);
      const isPlain = !def.ColumnDef.collClause && isPlainUsing(def.ColumnDef, name, to);
      const isFree = isPlain && from !== undefined && isFreeTypeChange(from, to);
      return [{ name, from, to, isFree, at: def.ColumnDef.location }];
    });
    const rewriting = changes.filter(({ isFree }) => !isFree);
    const [first] = rewriting;
    // PostgreSQL rewrites the table once for all columns of the statement.
    if (first) {
      const message = `Changing the type of ${rewriting.map(changeText).join(', and of ')} rewrites ${quoted(table)} (${context.sizeText(table)}) and its indexes under a lock that blocks reads and writes.`;
      return [{ index: indexOf(first.at), message, rewrite: withSecondColumn(table, rewriting) }];
    }
    return checkedAgain(table, changes, indexOf, context);
  },
};

/** PostgreSQL checks every row again against the CHECKs of a column whose type changes. */
function checkedAgain(
  table: TableName,
  changes: readonly TypeChange[],
  indexOf: Statement['indexOf'],
  context: RuleContext,
): Violation[] {
  const checks = [...(context.schema.table(table)?.checks ?? [])].filter(
    ([, { isValidated, columns }]) => isValidated && changes.some(({ name }) => columns.includes(name)),
  );
  const [first] = changes;
  if (checks.length === 0 || !first) return [];
  const names = checks.map(([name]) => escapeIdentifier(name));
  const alter = `ALTER TABLE ${quoted(table)}`;
  const types = changes.map(({ name, to }) => `ALTER COLUMN ${escapeIdentifier(name)} TYPE ${to.sql}`);
  return [
    {
      index: indexOf(first.at),
      message:
        `Changing the type of ${changes.map(changeText).join(', and of ')} reads all of ${quoted(table)} ` +
        `(${context.sizeText(table)}) under a lock that blocks reads and writes: PostgreSQL checks every row ` +
        `again against ${names.join(', ')}.`,
      rewrite: [
        '-- Migration 1: drop the check, and add it again for new rows',
        `SET lock_timeout = '5s';`,
        ...names.map((name) => `${alter} DROP CONSTRAINT ${name};`),
        `${alter} ${types.join(', ')};`,
        ...names.map((name) => `${alter} ADD CONSTRAINT ${name} CHECK (…) NOT VALID; -- the same condition`),
        '-- Migration 2: reads the table under a lock that allows reads and writes',
        ...names.map((name) => `${alter} VALIDATE CONSTRAINT ${name};`),
      ].join('\n'),
    },
  ];
}

interface TypeChange {
  readonly name: string;
  readonly from: ColumnType | undefined;
  readonly to: ColumnType;
  /** Whether PostgreSQL rewrites no row. */
  readonly isFree: boolean;
  readonly at: number | undefined;
}

function changeText({ name, from, to }: TypeChange): string {
  const change = from ? `from ${from.sql} to ${to.sql}` : `to ${to.sql} (its current type is unknown)`;
  return `${escapeIdentifier(name)} ${change}`;
}

export const volatileDefault: StatementRule = {
  id: 'volatile-default',
  severity: 'error',
  summary: 'A new column whose value is computed for every row',
  details:
    'A default that is not constant (`gen_random_uuid()`, `random()`), `SERIAL`, an identity, a stored generated column, or a type that is a domain with a `CHECK` or `NOT NULL`.',
  breaks:
    'PostgreSQL rewrites the table under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead:
    'Add the column without a default, then set the default for new rows, then fill the existing rows.',
  largeTablesOnly: true,
  on: ['AT_AddColumn'],
  check: ({ node, indexOf }, context) => {
    if (!('AlterTableStmt' in node)) return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (!context.isLarge(table)) return [];
    const computed = addedColumns(node).flatMap((column): ComputedColumn[] => {
      const { typeName } = column;
      const domain = objectName({ List: { items: typeName?.names ?? [] } });
      const isDomain = !columnType(typeName).isArray && context.schema.isCheckedDomain(domain);
      if (isDomain)
        return [{ column, isDomain, what: `every row is checked against domain ${quoted(domain)}` }];
      const value = existingValue(column);
      return value.kind === 'computed' ? [{ column, isDomain, what: value.what }] : [];
    });
    const [first] = computed;
    if (!first) return [];
    const names = computed.map(({ column }) => escapeIdentifier(column.colname ?? ''));
    const reasons = new Set(computed.map(({ what }) => what));
    return [
      {
        index: indexOf(first.column.location),
        message: `Adding ${names.join(', ')} rewrites ${quoted(table)} (${context.sizeText(table)}) under a lock that blocks reads and writes: ${[...reasons].join('; ')}.`,
        rewrite: computed.map((one) => defaultAfterwards(table, one)).join('\n'),
      },
    ];
  },
};

/** Whether there is no USING, or one that changes nothing: the column, or the column cast to the new type. */
function isPlainUsing({ raw_default: using }: ColumnDef, name: string, to: ColumnType): boolean {
  if (!using || columnOf(using) === name) return true;
  if (!('TypeCast' in using) || columnOf(using.TypeCast.arg) !== name) return false;
  return columnType(using.TypeCast.typeName).sql === to.sql;
}

function withSecondColumn(table: TableName, changes: readonly TypeChange[]): string {
  const columns = changes.map(({ name, to }) => ({
    old: escapeIdentifier(name),
    second: escapeIdentifier(`${name}_new`),
    type: to.sql,
    map: `@map("${name}_new")`,
  }));
  return [
    '-- Migration 1: add a second column, and release an application version that writes both',
    `SET lock_timeout = '5s';`,
    ...columns.map(({ second, type }) => `ALTER TABLE ${quoted(table)} ADD COLUMN ${second} ${type};`),
    '-- Migration 2: fill the existing rows',
    ...columns.map(
      ({ old, second, type }) =>
        `UPDATE ${quoted(table)} SET ${second} = ${old}::${type} WHERE ${second} IS NULL AND ${old} IS NOT NULL;`,
    ),
    ...columns.map(
      ({ old, second, map }) =>
        `-- Then release an application version that uses only ${second} (in Prisma: ${map}), and drop ${old}.`,
    ),
  ].join('\n');
}

/** A new column whose value PostgreSQL computes for every row. */
interface ComputedColumn {
  readonly column: ColumnDef;
  /** Whether its type is a domain that refuses values. */
  readonly isDomain: boolean;
  readonly what: string;
}

function defaultAfterwards(table: TableName, { column, isDomain }: ComputedColumn): string {
  const name = escapeIdentifier(column.colname ?? '');
  const type = columnType(column.typeName);
  if (isDomain) {
    return [
      '-- Migration 1: the base type of the domain, and its condition for new rows',
      `SET lock_timeout = '5s';`,
      `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} …; -- the base type of ${type.sql}`,
      `ALTER TABLE ${quoted(table)} ADD CONSTRAINT … CHECK (…) NOT VALID;`,
      '-- Migration 2: reads the table under a lock that allows reads and writes',
      `ALTER TABLE ${quoted(table)} VALIDATE CONSTRAINT …;`,
    ].join('\n');
  }
  const calls = constraintsOf(column.constraints).some(({ contype }) => contype === 'CONSTR_DEFAULT');
  if (!calls) {
    return `-- PostgreSQL cannot compute the value of existing rows without rewriting them. Apply this while the application is\n-- stopped, and waive the finding with that reason; or add a plain column ${name}, and let the application fill it.`;
  }
  return [
    '-- Migration 1: add it as nullable and without a default, then set the default for new rows',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} ${type.sql};`,
    `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} SET DEFAULT …; -- the same as here`,
    '-- Migration 2: fill the existing rows',
    `UPDATE ${quoted(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL;`,
  ].join('\n');
}
