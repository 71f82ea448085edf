import type { Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { objectName, quoted, tableOf } from '../../sql/syntax-tree.js';
import type { StatementRule, Violation } from '../rule.js';

/** By kind of object, what breaks without it. */
const LOST: Readonly<Record<string, { what: string; loss: string }>> = {
  OBJECT_VIEW: { what: 'view', loss: 'An application that still reads it will fail.' },
  OBJECT_MATVIEW: {
    what: 'materialized view',
    loss: 'An application that still reads it will fail.',
  },
  OBJECT_SEQUENCE: { what: 'sequence', loss: 'Its current value is lost.' },
  OBJECT_EXTENSION: { what: 'extension', loss: 'Its types, functions and tables are removed with it.' },
  OBJECT_PUBLICATION: { what: 'publication', loss: 'Replication of its tables stops.' },
};

export const dropObject: StatementRule = {
  id: 'drop-object',
  severity: 'warning',
  summary: 'DROP of a view, sequence, extension, publication or subscription',
  details: 'Not if the file creates the object again.',
  breaks:
    'The running application or the replication that uses it fails. With a sequence, its current value is lost; with an extension, its types, functions and tables.',
  instead: 'Release an application version that does not use it; then drop it, with a waiver.',
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
  const rewrite =
    '-- First release an application version that does not use it; then drop it, with a waiver that says so.';
  return { index, message, rewrite };
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
