import type { Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { objectName, quoted, tableOf } from '../../sql/syntax-tree.js';
import type { Rule, Violation } from '../rule.js';

/** What is lost with an object, by its kind. */
const LOST: Readonly<Record<string, { what: string; loss: string }>> = {
  OBJECT_VIEW: { what: 'view', loss: 'The running application may still read it and will fail.' },
  OBJECT_MATVIEW: {
    what: 'materialized view',
    loss: 'The running application may still read it and will fail.',
  },
  OBJECT_SEQUENCE: { what: 'sequence', loss: 'The number that it has come to is lost.' },
  OBJECT_EXTENSION: { what: 'extension', loss: 'Its types, functions and tables are removed with it.' },
  OBJECT_PUBLICATION: { what: 'publication', loss: 'Replication of its tables stops.' },
};

/** DROP of an object that is no table and that the file does not make again. */
export const dropObject: Rule = {
  id: 'drop-object',
  on: ['DropStmt', 'DropSubscriptionStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    if ('DropSubscriptionStmt' in node) {
      const name = escapeIdentifier(node.DropSubscriptionStmt.subname ?? '');
      return [violation(index, `DROP SUBSCRIPTION removes ${name}. Replication into this database stops.`)];
    }
    if (!('DropStmt' in node)) return [];
    const lost = LOST[node.DropStmt.removeType ?? ''];
    if (!lost) return [];
    const made = new Set(context.after(statement).map((later) => madeName(later.node)));
    return (node.DropStmt.objects ?? [])
      .map((object) => objectName(object))
      .filter((object) => !context.isNew(object) && !made.has(object.name))
      .map((object) =>
        violation(
          index,
          `DROP ${lost.what.toUpperCase()} removes ${lost.what} ${quoted(object)}. ${lost.loss}`,
        ),
      );
  },
};

function violation(index: number, message: string): Violation {
  const rewrite = '-- First a release that no longer uses it; then drop it, with a waiver that says so.';
  return { severity: 'warning', index, message, rewrite };
}

function madeName(node: Node): string | undefined {
  if ('ViewStmt' in node) return node.ViewStmt.view?.relname;
  if ('CreateTableAsStmt' in node) return node.CreateTableAsStmt.into?.rel?.relname;
  if ('CreateStmt' in node) return tableOf(node.CreateStmt.relation).name;
  if ('CreateSeqStmt' in node) return node.CreateSeqStmt.sequence?.relname;
  if ('CreateExtensionStmt' in node) return node.CreateExtensionStmt.extname;
  if ('CreatePublicationStmt' in node) return node.CreatePublicationStmt.pubname;
  return 'RenameStmt' in node ? node.RenameStmt.newname : undefined;
}
