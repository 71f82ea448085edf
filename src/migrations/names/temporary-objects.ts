import type { Node, RangeVar } from 'libpg-query';
import { parseFiles, tablesIn } from '../sql/parse-files.js';
import { stringsOf, walk } from '../sql/syntax-tree.js';
import { namedObjects } from './known-names.js';
import { isTemporary } from './search-path.js';

/**
 * Returns whether everything that a statement changes is temporary, so that nothing is left when the session ends.
 * Reads the names that `qualifyNames` has completed. Pure.
 */
export function isAboutTemporary(node: Node): boolean {
  const schemas = changedSchemas(node);
  if (schemas.length === 0 || !schemas.every(isTemporary)) return false;
  // A temporary table may be made of rows that the same statement deletes elsewhere.
  let isAlone = true;
  walk(node, (inner) => {
    if (!changedRows(inner).every(({ schemaname }) => isTemporary(schemaname))) isAlone = false;
  });
  return isAlone;
}

function changedSchemas(node: Node): (string | undefined)[] {
  const relations = [...changedRows(node), ...changedRelations(node)];
  const named = namedObjects(node).map(({ parts, behind }) => stringsOf(parts).toReversed()[behind + 1]);
  return [...relations.map(({ schemaname }) => schemaname), ...named];
}

function changedRows(node: Node): RangeVar[] {
  if ('InsertStmt' in node) return some(node.InsertStmt.relation);
  if ('UpdateStmt' in node) return some(node.UpdateStmt.relation);
  if ('DeleteStmt' in node) return some(node.DeleteStmt.relation);
  return 'MergeStmt' in node ? some(node.MergeStmt.relation) : [];
}

function changedRelations(node: Node): RangeVar[] {
  if ('CreateStmt' in node) return some(node.CreateStmt.relation);
  if ('CreateTableAsStmt' in node) return some(node.CreateTableAsStmt.into?.rel);
  if ('SelectStmt' in node) return some(node.SelectStmt.intoClause?.rel);
  if ('ViewStmt' in node) return some(node.ViewStmt.view);
  if ('CreateSeqStmt' in node) return some(node.CreateSeqStmt.sequence);
  if ('AlterSeqStmt' in node) return some(node.AlterSeqStmt.sequence);
  if ('CompositeTypeStmt' in node) return some(node.CompositeTypeStmt.typevar);
  if ('IndexStmt' in node) return some(node.IndexStmt.relation);
  if ('AlterTableStmt' in node) return some(node.AlterTableStmt.relation);
  if ('RenameStmt' in node) return some(node.RenameStmt.relation);
  if ('CreateTrigStmt' in node) return some(node.CreateTrigStmt.relation);
  if ('CreatePolicyStmt' in node) return some(node.CreatePolicyStmt.table);
  if ('RuleStmt' in node) return some(node.RuleStmt.relation);
  if ('CopyStmt' in node) return node.CopyStmt.is_from === true ? some(node.CopyStmt.relation) : [];
  if ('TruncateStmt' in node) return relationsIn(node.TruncateStmt.relations);
  if ('CreateStatsStmt' in node) return relationsIn(node.CreateStatsStmt.relations);
  return 'GrantStmt' in node ? relationsIn(node.GrantStmt.objects) : [];
}

function some(relation: RangeVar | undefined): RangeVar[] {
  return relation === undefined ? [] : [relation];
}

function relationsIn(nodes: readonly Node[] | undefined): RangeVar[] {
  return (nodes ?? []).flatMap((node) => ('RangeVar' in node ? [node.RangeVar] : []));
}

/** Returns the names, in lower case, that a script uses for temporary relations only; none for a script that cannot be parsed. */
export async function temporaryNames(sql: string): Promise<ReadonlySet<string>> {
  const [parsed] = await parseFiles([{ path: 'migration.sql', content: sql }]);
  const temporary = new Set<string>();
  const permanent = new Set<string>();
  for (const { node } of parsed?.flat ?? []) {
    for (const { name, schema } of tablesIn(node)) {
      (isTemporary(schema) ? temporary : permanent).add(name.toLowerCase());
    }
  }
  return new Set([...temporary].filter((name) => !permanent.has(name)));
}
