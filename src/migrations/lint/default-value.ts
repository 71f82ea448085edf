import type { ColumnDef, Node } from 'libpg-query';
import { constraintsOf, lastName } from './ast.js';
import { columnType, isSerial } from './type-name.js';
import { walk } from './walk.js';

/** Functions of PostgreSQL's own that give every row the same value: computed once, stored in the catalogue. */
const SAME_FOR_ALL_ROWS = new Set(
  (
    'now transaction_timestamp statement_timestamp current_setting current_database current_schema ' +
    'lower upper md5 length concat concat_ws replace substr substring trim btrim ltrim rtrim lpad rpad left right ' +
    'encode decode convert_to digest sha256 sha512 format abs ceil floor round trunc power sqrt mod greatest least ' +
    'to_char to_date to_number to_timestamp to_json to_jsonb json_build_object jsonb_build_object json_build_array ' +
    'jsonb_build_array array_append array_prepend string_to_array date_trunc date_part extract age make_date ' +
    'make_time make_timestamp make_timestamptz make_interval timezone int4range int8range numrange daterange ' +
    'tsrange tstzrange to_tsvector point box'
  ).split(' '),
);

/** How a new column comes to the value of the rows that are there already. */
export type ExistingValue =
  | { readonly kind: 'null' }
  /** The same for all, kept in the catalogue: no row is touched. */
  | { readonly kind: 'constant' }
  /** Computed row by row: the table is rewritten. `what` names the reason. */
  | { readonly kind: 'computed'; readonly what: string };

export function existingValue(column: ColumnDef): ExistingValue {
  const type = columnType(column.typeName);
  if (isSerial(type)) return { kind: 'computed', what: `${type.sql} numbers every row` };
  for (const { contype, raw_expr: expression, generated_kind: kind } of constraintsOf(column.constraints)) {
    if (contype === 'CONSTR_IDENTITY') return { kind: 'computed', what: 'an identity numbers every row' };
    if (contype === 'CONSTR_GENERATED') {
      // 'v' is PostgreSQL 18's VIRTUAL: computed when it is read.
      return kind === 'v'
        ? { kind: 'constant' }
        : { kind: 'computed', what: 'a stored generated column is computed for every row' };
    }
    if (contype === 'CONSTR_DEFAULT' && expression) return ofDefault(expression);
  }
  return { kind: 'null' };
}

function ofDefault(expression: Node): ExistingValue {
  if ('A_Const' in expression && expression.A_Const.isnull) return { kind: 'null' };
  let volatile: string | undefined;
  walk(expression, (node) => {
    if (!('FuncCall' in node)) return;
    const name = lastName(node.FuncCall.funcname);
    if (!SAME_FOR_ALL_ROWS.has(name)) volatile ??= name;
  });
  return volatile === undefined
    ? { kind: 'constant' }
    : { kind: 'computed', what: `${volatile}() is called for every row` };
}
