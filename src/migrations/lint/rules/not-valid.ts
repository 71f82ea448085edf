import type { Constraint } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import type { Statement } from '../../sql/statements.js';
import {
  commandsOf,
  constraintsOf,
  objectName,
  quoted,
  stringsOf,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';
import { existingValue } from '../columns.js';

interface Added {
  readonly table: TableName;
  readonly constraint: Constraint;
  /** The new column that it is part of. */
  readonly column: string | undefined;
}

export const foreignKeyNotValid: StatementRule = {
  id: 'foreign-key-without-not-valid',
  severity: 'error',
  summary: 'ADD FOREIGN KEY without NOT VALID',
  details: 'Not with a new column without a default: PostgreSQL then has nothing to look up.',
  breaks: 'PostgreSQL looks up every row. Writes to both tables wait until that is done.',
  instead: 'Add it with `NOT VALID`, then `VALIDATE CONSTRAINT` in the next migration.',
  largeTablesOnly: true,
  on: ['AT_AddColumn', 'AT_AddConstraint'],
  check: (statement, context) =>
    added(statement, context)
      .filter(({ constraint }) => constraint.contype === 'CONSTR_FOREIGN')
      .map(({ table, constraint, column }): Violation => {
        const columns = column === undefined ? stringsOf(constraint.fk_attrs) : [column];
        const name = constraint.conname ?? `${table.name}_${columns.join('_')}_fkey`;
        const isNew = columns.every((one) => context.isNewColumn(table, one));
        const steps = inTwoSteps(table, name, foreignKey(constraint, columns));
        return {
          index: statement.indexOf(constraint.location),
          message: `ADD FOREIGN KEY ${isNew ? 'reads all' : 'looks up every row'} of ${quoted(table)} (${context.sizeText(table)}) and blocks writes to it and to ${quoted(tableOf(constraint.pktable))} until that is done.`,
          rewrite: isNew
            ? `-- Write REFERENCES into the ADD COLUMN: in a new column without a default there is nothing to look up. Or:\n${steps}`
            : steps,
        };
      }),
};

export const checkNotValid: StatementRule = {
  id: 'check-without-not-valid',
  severity: 'error',
  summary: 'ADD CHECK without NOT VALID',
  breaks:
    'PostgreSQL reads every row under an `ACCESS EXCLUSIVE` lock. Reads and writes of the table wait until that is done.',
  instead: 'Add it with `NOT VALID`, then `VALIDATE CONSTRAINT` in the next migration.',
  largeTablesOnly: true,
  on: ['AT_AddColumn', 'AT_AddConstraint'],
  check: (statement, context) =>
    added(statement, context)
      .filter(({ constraint }) => constraint.contype === 'CONSTR_CHECK')
      .map(({ table, constraint, column }): Violation => {
        const name = constraint.conname ?? `${table.name}${column === undefined ? '' : `_${column}`}_check`;
        const condition = checkText(statement, constraint) ?? 'CHECK (…)';
        return {
          index: statement.indexOf(constraint.location),
          message: `ADD CHECK reads all of ${quoted(table)} (${context.sizeText(table)}) under a lock that blocks reads and writes.`,
          rewrite: inTwoSteps(table, name, condition),
        };
      }),
};

/**
 * ALTER DOMAIN … ADD CHECK without NOT VALID, and SET NOT NULL: every table with a column of the domain is read under
 * a SHARE lock. VALIDATE takes the same lock, but at an hour of one’s own choice.
 */
export const domainCheck: StatementRule = {
  id: 'domain-check-without-not-valid',
  severity: 'warning',
  summary: 'ALTER DOMAIN ADD CHECK without NOT VALID, or SET NOT NULL',
  breaks:
    'PostgreSQL reads every table that has a column of the domain. Writes to these tables wait until that is done.',
  instead:
    'Add it with `NOT VALID`, then `VALIDATE CONSTRAINT` in the next migration, at a time of low traffic: that reads the tables.',
  on: ['AlterDomainStmt'],
  check: (statement) => {
    if (!('AlterDomainStmt' in statement.node)) return [];
    const { subtype, typeName, def } = statement.node.AlterDomainStmt;
    const domain = quoted(objectName({ List: { items: typeName ?? [] } }));
    const constraint = def && 'Constraint' in def ? def.Constraint : undefined;
    if (constraint ? constraint.skip_validation === true : subtype !== 'O') return [];
    const name = constraint?.conname ?? 'the_rule';
    const condition = (constraint && checkText(statement, constraint)) ?? 'CHECK (VALUE IS NOT NULL)';
    return [
      {
        index: statement.index,
        message: `PostgreSQL reads every row of every table that has a column of domain ${domain}, and blocks writes to these tables until that is done.`,
        rewrite: [
          '-- Migration 1: new values are checked from now on',
          `ALTER DOMAIN ${domain} ADD CONSTRAINT ${escapeIdentifier(name)} ${condition} NOT VALID;`,
          '-- Migration 2, at a time of low traffic: reads the tables',
          `ALTER DOMAIN ${domain} VALIDATE CONSTRAINT ${escapeIdentifier(name)};`,
        ].join('\n'),
      },
    ];
  },
};

/** The constraints that PostgreSQL checks against the rows of a large table. */
function added({ node }: Statement, context: RuleContext): Added[] {
  if (!('AlterTableStmt' in node)) return [];
  const table = tableOf(node.AlterTableStmt.relation);
  if (!context.isLarge(table)) return [];
  const all = commandsOf(node).flatMap(({ subtype, def }): Added[] => {
    if (subtype === 'AT_AddConstraint' && def && 'Constraint' in def) {
      return [{ table, constraint: def.Constraint, column: undefined }];
    }
    if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return [];
    const column = def.ColumnDef;
    // In a new column without a value there is nothing to look up.
    const isEmpty = existingValue(column).kind === 'null';
    return constraintsOf(column.constraints)
      .filter(({ contype }) => !(isEmpty && contype === 'CONSTR_FOREIGN'))
      .map((constraint) => ({ table, constraint, column: column.colname }));
  });
  return all.filter(
    ({ constraint }) => constraint.skip_validation !== true && constraint.is_enforced !== false,
  );
}

function inTwoSteps(table: TableName, name: string, definition: string): string {
  const constraint = escapeIdentifier(name);
  return [
    '-- Migration 1: new rows are checked from now on',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD CONSTRAINT ${constraint} ${definition} NOT VALID;`,
    '-- Migration 2: checks the existing rows under a lock that allows reads and writes',
    `ALTER TABLE ${quoted(table)} VALIDATE CONSTRAINT ${constraint};`,
  ].join('\n');
}

const ACTIONS: Readonly<Record<string, string>> = {
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
};

function foreignKey(
  { pktable, pk_attrs: keys, fk_del_action, fk_upd_action }: Constraint,
  columns: readonly string[],
): string {
  const list = (names: readonly string[]): string =>
    `(${names.map((name) => escapeIdentifier(name)).join(', ')})`;
  const referred = stringsOf(keys);
  const onDelete = ACTIONS[fk_del_action ?? ''];
  const onUpdate = ACTIONS[fk_upd_action ?? ''];
  return [
    `FOREIGN KEY ${list(columns)} REFERENCES ${quoted(tableOf(pktable))}${referred.length > 0 ? list(referred) : ''}`,
    ...(onDelete ? [`ON DELETE ${onDelete}`] : []),
    ...(onUpdate ? [`ON UPDATE ${onUpdate}`] : []),
  ].join(' ');
}

/** The `CHECK (…)` as it is written, up to its closing parenthesis. */
function checkText({ sql, index, indexOf }: Statement, { location }: Constraint): string | undefined {
  const from = sql.slice(indexOf(location) - index);
  const check = /\bCHECK\s*\(/i.exec(from);
  if (!check) return undefined;
  let depth = 0;
  for (let at = check.index; at < from.length; at += 1) {
    const quote = from[at] === "'" || from[at] === '"' ? from.indexOf(from[at] ?? '', at + 1) : at;
    if (quote === -1) return undefined;
    at = quote;
    if (from[at] === '(') depth += 1;
    if (from[at] === ')') depth -= 1;
    if (from[at] === ')' && depth === 0) return from.slice(check.index, at + 1);
  }
  return undefined;
}
