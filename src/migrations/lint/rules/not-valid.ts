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
import type { Rule, RuleContext, Violation } from '../rule.js';
import { existingValue } from '../columns.js';

interface Added {
  readonly table: TableName;
  readonly constraint: Constraint;
  /** The column that brings it. */
  readonly column: string | undefined;
}

/** ADD FOREIGN KEY without NOT VALID: both tables wait while every row is looked up. */
export const foreignKeyNotValid: Rule = {
  id: 'foreign-key-without-not-valid',
  on: ['AlterTableStmt'],
  check: (statement, context) =>
    added(statement, context)
      .filter(({ constraint }) => constraint.contype === 'CONSTR_FOREIGN')
      .map(({ table, constraint, column }): Violation => {
        const columns = column === undefined ? stringsOf(constraint.fk_attrs) : [column];
        const name = constraint.conname ?? `${table.name}_${columns.join('_')}_fkey`;
        const isNew = columns.every((one) => context.isNewColumn(table, one));
        const steps = inTwoSteps(table, name, foreignKey(constraint, columns));
        return {
          severity: 'error',
          index: statement.indexOf(constraint.location),
          message: `ADD FOREIGN KEY ${isNew ? 'reads all' : 'looks up every row'} of ${quoted(table)} (${context.sizeText(table)}) while nobody can write to it or to ${quoted(tableOf(constraint.pktable))}.`,
          rewrite: isNew
            ? `-- Write REFERENCES into the ADD COLUMN: a new column without a default holds nothing to look up. Or:\n${steps}`
            : steps,
        };
      }),
};

/** ADD CHECK without NOT VALID: everybody waits while every row is checked. */
export const checkNotValid: Rule = {
  id: 'check-without-not-valid',
  on: ['AlterTableStmt'],
  check: (statement, context) =>
    added(statement, context)
      .filter(({ constraint }) => constraint.contype === 'CONSTR_CHECK')
      .map(({ table, constraint, column }): Violation => {
        const name = constraint.conname ?? `${table.name}${column === undefined ? '' : `_${column}`}_check`;
        const condition = checkText(statement, constraint) ?? 'CHECK (…)';
        return {
          severity: 'error',
          index: statement.indexOf(constraint.location),
          message: `ADD CHECK reads all of ${quoted(table)} (${context.sizeText(table)}) under a lock that lets nobody read or write it.`,
          rewrite: inTwoSteps(table, name, condition),
        };
      }),
};

/**
 * ALTER DOMAIN … ADD CHECK without NOT VALID, and SET NOT NULL: every table with a column of the domain is read under
 * a SHARE lock. VALIDATE takes the same lock, but at an hour of one’s own choice.
 */
export const domainCheck: Rule = {
  id: 'domain-check-without-not-valid',
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
        severity: 'warning',
        index: statement.index,
        message: `PostgreSQL reads every row of every table that has a column of domain ${domain}, and nobody can write to them meanwhile.`,
        rewrite: [
          '-- One migration: from now on new values are checked',
          `ALTER DOMAIN ${domain} ADD CONSTRAINT ${escapeIdentifier(name)} ${condition} NOT VALID;`,
          '-- The next one, at a quiet hour: this is what reads the tables',
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
    // A new column without a value refers to nothing: PostgreSQL looks nothing up.
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
    '-- One migration: from now on new rows are checked',
    `SET lock_timeout = '5s';`,
    `ALTER TABLE ${quoted(table)} ADD CONSTRAINT ${constraint} ${definition} NOT VALID;`,
    '-- The next one: checks the rows that are there under a lock that lets others read and write',
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
