import type { Node, VariableSetStmt } from 'libpg-query';
import { lastName } from '../sql/syntax-tree.js';

/** The schemas of a search path, in order; undefined for the one that the session started with. */
export type SearchPath = readonly string[] | undefined;

/** A change of the search path by a statement. */
export interface PathChange {
  readonly path: SearchPath;
  /** Whether it holds for the transaction only (`SET LOCAL`). */
  readonly isLocal: boolean;
}

/** Returns how a statement changes the search path; undefined where it does not. Pure. */
export function pathChangeOf(node: Node): PathChange | undefined {
  if ('VariableSetStmt' in node) return setBy(node.VariableSetStmt);
  if ('DiscardStmt' in node && node.DiscardStmt.target === 'DISCARD_ALL')
    return { path: undefined, isLocal: false };
  return 'SelectStmt' in node ? setByFunction(node.SelectStmt.targetList ?? []) : undefined;
}

function setBy({
  kind,
  name,
  args = [],
  is_local: isLocal = false,
}: VariableSetStmt): PathChange | undefined {
  if (kind === 'VAR_RESET_ALL') return { path: undefined, isLocal: false };
  if (name !== 'search_path') return undefined;
  if (kind !== 'VAR_SET_VALUE') return { path: undefined, isLocal };
  return { path: args.flatMap((argument) => schemaIn(textOf(argument) ?? '')), isLocal };
}

/** `SELECT pg_catalog.set_config('search_path', '', false)`: how every dump of pg_dump begins. */
function setByFunction(targets: readonly Node[]): PathChange | undefined {
  for (const target of targets) {
    const value = 'ResTarget' in target ? target.ResTarget.val : undefined;
    if (!value || !('FuncCall' in value) || lastName(value.FuncCall.funcname) !== 'set_config') continue;
    const [name, list, local] = value.FuncCall.args ?? [];
    const text = textOf(list);
    if (textOf(name)?.toLowerCase() !== 'search_path' || text === undefined) continue;
    const isLocal = local !== undefined && JSON.stringify(local).includes('"boolval":true');
    return { path: text.split(',').flatMap(schemaIn), isLocal };
  }
  return undefined;
}

/** Leaves out `"$user"`, a schema that rarely exists. */
function schemaIn(text: string): string[] {
  const trimmed = text.trim();
  const isQuoted = trimmed.length > 1 && trimmed.startsWith('"') && trimmed.endsWith('"');
  const name = isQuoted ? trimmed.slice(1, -1).replaceAll('""', '"') : trimmed;
  return name === '' || name === '$user' ? [] : [name];
}

function textOf(node: Node | undefined): string | undefined {
  return node && 'A_Const' in node
    ? (node.A_Const.sval?.sval ?? ('sval' in node.A_Const ? '' : undefined))
    : undefined;
}

/** The schema of a session's temporary objects, as SQL names it. */
export const TEMPORARY_SCHEMA = 'pg_temp';

/** Whether a schema is that of temporary objects: `pg_temp`, or a session's own by its real name. */
export function isTemporary(schema: string | undefined): boolean {
  return schema !== undefined && /^pg_temp(?:_\d+)?$/.test(schema);
}
