import type { A_Const, Node } from 'libpg-query';
import { columnOf, lastName, notNullColumn } from './ast.js';

/** Columns that every row has a value in: those of the history, and PostgreSQL's own. */
export type IsRequired = (column: string) => boolean;

const SYSTEM_COLUMNS = new Set(['ctid', 'tableoid', 'xmin', 'cmin', 'xmax', 'cmax']);

/**
 * Whether a condition holds for every row: `true`, `1 = 1`, `NOT false`, `id = id`, `id IS NOT NULL` of a required
 * column, and what AND, OR and NOT make of these. Says no wherever it cannot tell.
 */
export function isAlwaysTrue(condition: Node, isRequired: IsRequired): boolean {
  return truth(condition, isRequired) === true;
}

function truth(node: Node | undefined, isRequired: IsRequired): boolean | undefined {
  if (!node) return undefined;
  if ('A_Const' in node) return booleanOf(node.A_Const);
  if ('TypeCast' in node) return truth(node.TypeCast.arg, isRequired);
  if ('BoolExpr' in node) {
    const parts = node.BoolExpr.args ?? [];
    const values = parts.map((part) => truth(part, isRequired));
    if (node.BoolExpr.boolop === 'NOT_EXPR') return values[0] === undefined ? undefined : !values[0];
    if (node.BoolExpr.boolop === 'AND_EXPR') return fold(values, false);
    return coversBothCases(parts) ? true : fold(values, true);
  }
  if ('NullTest' in node) {
    const column = notNullColumn(node);
    if (column !== undefined && (SYSTEM_COLUMNS.has(column) || isRequired(column))) return true;
    const { arg, nulltesttype } = node.NullTest;
    if (!arg || !('A_Const' in arg)) return undefined;
    return (nulltesttype === 'IS_NULL') === (arg.A_Const.isnull === true);
  }
  if ('BooleanTest' in node) {
    const value = truth(node.BooleanTest.arg, isRequired);
    if (value === undefined) return undefined;
    if (node.BooleanTest.booltesttype === 'IS_TRUE' || node.BooleanTest.booltesttype === 'IS_NOT_FALSE') {
      return value;
    }
    return undefined;
  }
  if ('A_Expr' in node) return comparison(node.A_Expr);
  if ('SubLink' in node) return isBareSelect(node.SubLink.subselect) ? true : undefined;
  return undefined;
}

/** `decisive` decides for all of them: false for AND, true for OR. */
function fold(values: readonly (boolean | undefined)[], decisive: boolean): boolean | undefined {
  if (values.includes(decisive)) return decisive;
  return values.includes(undefined) ? undefined : !decisive;
}

/** `x IS NULL OR x IS NOT NULL` */
function coversBothCases(parts: readonly Node[]): boolean {
  const tested = parts.flatMap((part) => {
    const column = 'NullTest' in part ? columnOf(part.NullTest.arg) : undefined;
    return 'NullTest' in part && column !== undefined ? [`${column} ${part.NullTest.nulltesttype}`] : [];
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
  const column = columnOf(lexpr);
  if (column !== undefined && column === columnOf(rexpr))
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
  // 't'::boolean and its kind.
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

/** `EXISTS (SELECT 1)` */
function isBareSelect(node: Node | undefined): boolean {
  if (!node || !('SelectStmt' in node)) return false;
  const { fromClause, whereClause, valuesLists, op, limitCount } = node.SelectStmt;
  return !fromClause && !whereClause && !limitCount && (op ?? 'SETOP_NONE') === 'SETOP_NONE' && !valuesLists;
}
