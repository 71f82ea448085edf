import type { Node } from 'libpg-query';
import { commandsOf } from '../../migrations/lint/ast.js';

/** Statements that leave the same, however often they run. */
const REPEATABLE = new Set([
  'CommentStmt',
  'GrantStmt',
  'GrantRoleStmt',
  'AlterOwnerStmt',
  'AlterDefaultPrivilegesStmt',
  'RefreshMatViewStmt',
  'VacuumStmt',
  'ReindexStmt',
]);

/** Whether a statement leaves the same when it runs again (`IF NOT EXISTS`, `OR REPLACE`, `IF EXISTS`). Pure. */
export function isRepeatable(node: Node): boolean {
  const [entry] = Object.entries(node);
  if (!entry) return false;
  const [kind, statement]: [string, unknown] = entry;
  if (REPEATABLE.has(kind)) return true;
  const commands = commandsOf(node);
  if (commands.length > 0) return commands.every(({ missing_ok: isConditional }) => isConditional === true);
  if (!(statement instanceof Object)) return false;
  return ['if_not_exists', 'replace', 'missing_ok', 'skipIfNewValExists'].some(
    (option) => Reflect.get(statement, option) === true,
  );
}
