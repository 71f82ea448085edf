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
import type { Rule, RuleContext, Violation } from '../rule.js';
import { columnType, type ColumnType, existingValue, isFreeTypeChange } from '../columns.js';

/** ALTER COLUMN TYPE that writes the complete table anew, or reads it to check its rows again. */
export const columnTypeChange: Rule = {
  id: 'column-type-change',
  on: ['AlterTableStmt'],
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
    // However many columns: the table is written once.
    if (first) {
      const message = `Changing the type of ${rewriting.map(changeText).join(', and of ')} writes all of ${quoted(table)} (${context.sizeText(table)}) and its indexes anew, under a lock that lets nobody read or write it.`;
      return [
        { severity: 'error', index: indexOf(first.at), message, rewrite: besideTheOld(table, rewriting) },
      ];
    }
    return checkedAgain(table, changes, indexOf, context);
  },
};

/** PostgreSQL makes the CHECKs of a column anew when its type changes, and checks every row. */
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
      severity: 'error',
      index: indexOf(first.at),
      message:
        `Changing the type of ${changes.map(changeText).join(', and of ')} reads all of ${quoted(table)} ` +
        `(${context.sizeText(table)}) under a lock that blocks reads and writes: PostgreSQL checks every row ` +
        `against ${names.join(', ')} again.`,
      rewrite: [
        '-- Migration 1: without the check, and back again for new rows',
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
  /** Whether no row is written anew. */
  readonly isFree: boolean;
  readonly at: number | undefined;
}

function changeText({ name, from, to }: TypeChange): string {
  const change = from ? `from ${from.sql} to ${to.sql}` : `to ${to.sql} (what it was is not known)`;
  return `${escapeIdentifier(name)} ${change}`;
}

/** ADD COLUMN whose value is computed row by row. */
export const volatileDefault: Rule = {
  id: 'volatile-default',
  on: ['AlterTableStmt'],
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
        severity: 'error',
        index: indexOf(first.column.location),
        message: `Adding ${names.join(', ')} writes all of ${quoted(table)} (${context.sizeText(table)}) anew, under a lock that lets nobody read or write it: ${[...reasons].join('; ')}.`,
        rewrite: computed.map((one) => defaultAfterwards(table, one)).join('\n'),
      },
    ];
  },
};

/** No USING, or one that says what is done anyway: the column, or the column cast to the new type. */
function isPlainUsing({ raw_default: using }: ColumnDef, name: string, to: ColumnType): boolean {
  if (!using || columnOf(using) === name) return true;
  if (!('TypeCast' in using) || columnOf(using.TypeCast.arg) !== name) return false;
  return columnType(using.TypeCast.typeName).sql === to.sql;
}

function besideTheOld(table: TableName, changes: readonly TypeChange[]): string {
  const columns = changes.map(({ name, to }) => ({
    old: escapeIdentifier(name),
    beside: escapeIdentifier(`${name}_new`),
    type: to.sql,
    map: `@map("${name}_new")`,
  }));
  return [
    '-- Migration 1: a column beside the old one; release an application that writes both',
    `SET lock_timeout = '5s';`,
    ...columns.map(({ beside, type }) => `ALTER TABLE ${quoted(table)} ADD COLUMN ${beside} ${type};`),
    '-- Migration 2: fill the rows that are there',
    ...columns.map(
      ({ old, beside, type }) =>
        `UPDATE ${quoted(table)} SET ${beside} = ${old}::${type} WHERE ${beside} IS NULL AND ${old} IS NOT NULL;`,
    ),
    ...columns.map(
      ({ old, beside, map }) =>
        `-- Then release an application that uses ${beside} only (in Prisma: ${map}), and retire ${old}.`,
    ),
  ].join('\n');
}

/** A new column that PostgreSQL writes into every row. */
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
      '-- Migration 1: the type that the domain is made of, and its condition for new rows',
      `SET lock_timeout = '5s';`,
      `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} …; -- the base type of ${type.sql}`,
      `ALTER TABLE ${quoted(table)} ADD CONSTRAINT … CHECK (…) NOT VALID;`,
      '-- Migration 2: reads the table under a lock that allows reads and writes',
      `ALTER TABLE ${quoted(table)} VALIDATE CONSTRAINT …;`,
    ].join('\n');
  }
  const calls = constraintsOf(column.constraints).some(({ contype }) => contype === 'CONSTR_DEFAULT');
  if (!calls) {
    return `-- PostgreSQL cannot number or compute existing rows without writing them: do it while the application is stopped,\n-- and waive this with that reason; or add a plain ${name}, and have the application fill it.`;
  }
  return [
    '-- Migration 1: nullable and without a default, then the default for new rows',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${name} ${type.sql};`,
    `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} SET DEFAULT …; -- the same as here`,
    '-- Migration 2: fill the rows that are there',
    `UPDATE ${quoted(table)} SET ${name} = DEFAULT WHERE ${name} IS NULL;`,
  ].join('\n');
}
