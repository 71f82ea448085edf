import type { A_Const, Node, SelectStmt, SubLink } from 'libpg-query';
import { columnPath, lastName, stringsOf, tableOf, type TableName } from '../sql/syntax-tree.js';

/** The table whose rows a condition chooses. */
export interface Target {
  readonly table: TableName;
  /** The qualifier of its columns: its alias, or its name. */
  readonly name: string;
  /** False if the statement has other tables: a column without a qualifier may be theirs. */
  readonly isAlone: boolean;
  /** Whether this column of it cannot be NULL. */
  readonly isRequired: (column: string) => boolean;
}

const SYSTEM_COLUMNS = new Set(['ctid', 'tableoid', 'xmin', 'cmin', 'xmax', 'cmax']);

/**
 * Returns whether a condition is certainly true for every row: `true`, `1 = 1`, `NOT false`, `id = id`, `id IS NOT NULL` of a required
 * column, `id IN (SELECT id FROM the_same)`, and combinations of these with AND, OR and NOT.
 */
export function isAlwaysTrue(condition: Node, target: Target): boolean {
  return truth(condition, target) === true;
}

function truth(node: Node | undefined, target: Target): boolean | undefined {
  if (!node) return undefined;
  if ('A_Const' in node) return booleanOf(node.A_Const);
  if ('TypeCast' in node) return truth(node.TypeCast.arg, target);
  if ('BoolExpr' in node) {
    const parts = node.BoolExpr.args ?? [];
    const values = parts.map((part) => truth(part, target));
    if (node.BoolExpr.boolop === 'NOT_EXPR') return values[0] === undefined ? undefined : !values[0];
    if (node.BoolExpr.boolop === 'AND_EXPR') return fold(values, false);
    return coversBothCases(parts) ? true : fold(values, true);
  }
  if ('NullTest' in node) {
    const { arg, nulltesttype } = node.NullTest;
    const column = columnOfTarget(arg, target);
    const hasValue = column !== undefined && (SYSTEM_COLUMNS.has(column) || target.isRequired(column));
    if (hasValue && nulltesttype === 'IS_NOT_NULL') return true;
    if (!arg || !('A_Const' in arg)) return undefined;
    return (nulltesttype === 'IS_NULL') === (arg.A_Const.isnull === true);
  }
  if ('BooleanTest' in node) {
    const value = truth(node.BooleanTest.arg, target);
    if (value === undefined) return undefined;
    if (node.BooleanTest.booltesttype === 'IS_TRUE' || node.BooleanTest.booltesttype === 'IS_NOT_FALSE') {
      return value;
    }
    return undefined;
  }
  if ('A_Expr' in node) return comparison(node.A_Expr);
  if ('SubLink' in node) return isTrueSubquery(node.SubLink, target) ? true : undefined;
  return undefined;
}

/** Returns the column of the target that an expression is; undefined if it is, or may be, of another table. */
function columnOfTarget(node: Node | undefined, { name, isAlone }: Target): string | undefined {
  const path = columnPath(node);
  if (path.length === 1) return isAlone ? path[0] : undefined;
  return path.at(-2) === name ? path.at(-1) : undefined;
}

/** Combines truth values; one `decisive` value decides for all of them: false for AND, true for OR. */
function fold(values: readonly (boolean | undefined)[], decisive: boolean): boolean | undefined {
  if (values.includes(decisive)) return decisive;
  return values.includes(undefined) ? undefined : !decisive;
}

/** `x IS NULL OR x IS NOT NULL` */
function coversBothCases(parts: readonly Node[]): boolean {
  const tested = parts.flatMap((part) => {
    const column = 'NullTest' in part ? columnPath(part.NullTest.arg).join('.') : '';
    return 'NullTest' in part && column !== '' ? [`${column} ${part.NullTest.nulltesttype}`] : [];
  });
  return tested.some(
    (test) => test.endsWith(' IS_NULL') && tested.includes(test.replace(/IS_NULL$/, 'IS_NOT_NULL')),
  );
}

function comparison({
  kind,
  name,
  lexpr,
  rexpr,
}: Extract<Node, { A_Expr: unknown }>['A_Expr']): boolean | undefined {
  const operator = lastName(name);
  if (kind === 'AEXPR_LIKE' || kind === 'AEXPR_ILIKE') {
    const pattern = rexpr && 'A_Const' in rexpr ? rexpr.A_Const.sval?.sval : undefined;
    return /^%+$/.test(pattern ?? '') && operator.startsWith('~~') ? true : undefined;
  }
  if (kind !== 'AEXPR_OP' && kind !== 'AEXPR_NOT_DISTINCT') return undefined;
  const column = columnPath(lexpr).join('.');
  if (column !== '' && column === columnPath(rexpr).join('.'))
    return /^(=|<=|>=)$/.test(operator) ? true : undefined;
  if (!lexpr || !rexpr || !('A_Const' in lexpr) || !('A_Const' in rexpr)) return undefined;
  return compareConstants(operator, lexpr.A_Const, rexpr.A_Const);
}

function compareConstants(operator: string, left: A_Const, right: A_Const): boolean | undefined {
  const [a, b] = [valueOf(left), valueOf(right)];
  if (a === undefined || b === undefined || typeof a !== typeof b) return undefined;
  if (operator === '=') return a === b;
  if (operator === '<>' || operator === '!=') return a !== b;
  if (typeof a !== 'number' || typeof b !== 'number') return undefined;
  const outcomes: Readonly<Record<string, boolean>> = { '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b };
  return outcomes[operator];
}

function booleanOf({ boolval, sval }: A_Const): boolean | undefined {
  if (boolval) return boolval.boolval === true;
  // Such as 't'::boolean.
  if (/^(t|true|y|yes|on|1)$/i.test(sval?.sval ?? '')) return true;
  return /^(f|false|n|no|off|0)$/i.test(sval?.sval ?? '') ? false : undefined;
}

function valueOf({ isnull, ival, fval, sval, boolval }: A_Const): string | number | boolean | undefined {
  if (isnull) return undefined;
  if (ival) return ival.ival ?? 0;
  if (fval) return Number(fval.fval);
  if (boolval) return boolval.boolval === true;
  return sval ? (sval.sval ?? '') : undefined;
}

/** `EXISTS (SELECT 1)`, `EXISTS (SELECT 1 FROM the_same)`, `id IN (SELECT id FROM the_same)` */
function isTrueSubquery({ subLinkType, testexpr, operName, subselect }: SubLink, target: Target): boolean {
  if (!subselect || !('SelectStmt' in subselect)) return false;
  const { SelectStmt: select } = subselect;
  if (subLinkType === 'EXISTS_SUBLINK') return isBareSelect(select) || readsAll(select, target);
  if (subLinkType !== 'ANY_SUBLINK' || !/^=?$/.test(stringsOf(operName).join(''))) return false;
  const [result] = select.targetList ?? [];
  const value = result && 'ResTarget' in result ? columnPath(result.ResTarget.val).at(-1) : undefined;
  return value !== undefined && value === columnOfTarget(testexpr, target) && readsAll(select, target);
}

function isBareSelect({ fromClause, whereClause, valuesLists, op, limitCount }: SelectStmt): boolean {
  return !fromClause && !whereClause && !limitCount && (op ?? 'SETOP_NONE') === 'SETOP_NONE' && !valuesLists;
}

/** Returns whether a query reads every row of the target's table, and nothing else. */
function readsAll(select: SelectStmt, target: Target): boolean {
  const {
    fromClause = [],
    whereClause,
    limitCount,
    limitOffset,
    groupClause,
    havingClause,
    withClause,
  } = select;
  const [from] = fromClause;
  if (fromClause.length !== 1 || !from || !('RangeVar' in from)) return false;
  if (limitCount ?? limitOffset ?? groupClause ?? havingClause ?? withClause) return false;
  const { schema, name } = tableOf(from.RangeVar);
  if (name !== target.table.name || schema !== target.table.schema) return false;
  const inner = { ...target, isAlone: true, name: from.RangeVar.alias?.aliasname ?? name };
  return !whereClause || isAlwaysTrue(whereClause, inner);
}
