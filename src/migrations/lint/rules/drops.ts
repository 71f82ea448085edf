import type { Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { commandsOf, objectName, quoted, tableOf } from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';

export const dropTable: StatementRule = {
  id: 'drop-table',
  severity: 'error',
  otherwise: 'a warning if the table is empty',
  summary: 'DROP TABLE',
  details: 'Not if the same plan creates the table.',
  breaks:
    'All rows of the table are lost; only a backup has them. The running application still uses the table and fails.',
  instead:
    'Release an application version that does not use the table. Then move the table to another schema, from where it can be moved back, and drop it later with a waiver.',
  on: ['DropStmt'],
  check: ({ node, index }, context) => {
    if (!('DropStmt' in node) || !/^OBJECT_(FOREIGN_)?TABLE$/.test(node.DropStmt.removeType ?? '')) return [];
    return (node.DropStmt.objects ?? []).flatMap((object): Violation[] => {
      const table = objectName(object);
      if (context.isNew(table)) return [];
      const isEmpty = context.isKnownEmpty(table);
      const message = isEmpty
        ? `DROP TABLE removes ${quoted(table)}. The table is empty now, but an application that still uses it will fail.`
        : `DROP TABLE removes ${quoted(table)} and all of its rows (${context.sizeText(table)}). Only a backup can restore them, and an application that still uses the table will fail.`;
      return [
        {
          index,
          ...(isEmpty && cascadeText(node) === undefined && { severity: 'warning' }),
          message: `${message}${alsoByCascade(node)}`,
          rewrite: [
            '-- First release an application version that does not use the table. Then move the table to another schema:',
            '-- pgkeep:allow rename-table because nothing uses it any more',
            `ALTER TABLE ${quoted(table)} SET SCHEMA "retired";`,
            '-- Drop it in a later migration, with a waiver that says so.',
          ].join('\n'),
        },
      ];
    });
  },
};

export const dropColumn: StatementRule = {
  id: 'drop-column',
  severity: 'error',
  otherwise: 'a warning if the table is empty',
  summary: 'DROP COLUMN',
  details: 'Not if the same plan adds the column, or creates the table.',
  breaks:
    'The values of the column are lost in every row; only a backup has them. The running application still uses the column and fails: Prisma names every column of its schema in its queries.',
  instead:
    'Release an application version whose schema does not have the column; drop `NOT NULL` first, so that it can insert rows. Drop the column later, with a waiver.',
  on: ['AT_DropColumn'],
  check: ({ node, index }, context) => {
    if (!('AlterTableStmt' in node) || !/^OBJECT_(TABLE|TYPE)$/.test(node.AlterTableStmt.objtype ?? ''))
      return [];
    const table = tableOf(node.AlterTableStmt.relation);
    const names = commandsOf(node)
      .filter(({ subtype, name = '' }) => subtype === 'AT_DropColumn' && !context.isNewColumn(table, name))
      .map(({ name = '' }) => escapeIdentifier(name));
    if (names.length === 0) return [];
    const columns = names.join(', ');
    const isEmpty = context.isKnownEmpty(table);
    const [values, used] =
      names.length === 1 ? ['its value', 'the column'] : ['their values', 'one of the columns'];
    const message = isEmpty
      ? `DROP COLUMN removes ${columns} of ${quoted(table)}. The table is empty now, but an application that still uses ${used} will fail.`
      : `DROP COLUMN removes ${columns} of ${quoted(table)} and ${values} in every row (${context.sizeText(table)}). Only a backup can restore them, and an application that still uses ${used} will fail: Prisma names every column of its schema.`;
    return [
      {
        index,
        ...(isEmpty && cascadeText(node) === undefined && { severity: 'warning' }),
        message: `${message}${alsoByCascade(node)}`,
        rewrite: [
          `-- First release an application version whose schema does not have ${columns}. For that, make a required column nullable:`,
          ...names.map((name) => `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} DROP NOT NULL;`),
          '-- Drop it in a later migration, with a waiver that says so.',
        ].join('\n'),
      },
    ];
  },
};

export const dropSchema: StatementRule = {
  id: 'drop-schema',
  severity: 'error',
  summary: 'DROP SCHEMA, DROP DATABASE, DROP OWNED',
  breaks: 'Everything in it is lost, tables and rows included; only a backup has it.',
  instead: 'Drop what is not needed any more by name, table by table.',
  on: ['DropStmt', 'DropdbStmt', 'DropOwnedStmt'],
  check: ({ node, index }) => {
    const what = wholesale(node);
    if (what === undefined) return [];
    return [
      {
        index,
        message: `${what} removes everything in it, tables and rows included. Only a backup can restore them.`,
        rewrite: '-- Drop what is not needed any more by name, table by table.',
      },
    ];
  },
};

function wholesale(node: Node): string | undefined {
  if ('DropStmt' in node && node.DropStmt.removeType === 'OBJECT_SCHEMA') {
    return `DROP SCHEMA ${(node.DropStmt.objects ?? []).map((object) => escapeIdentifier(objectName(object).name)).join(', ')}`;
  }
  if ('DropdbStmt' in node) return `DROP DATABASE ${escapeIdentifier(node.DropdbStmt.dbname ?? '')}`;
  return 'DropOwnedStmt' in node ? 'DROP OWNED' : undefined;
}

export const truncate: StatementRule = {
  id: 'truncate',
  severity: 'error',
  summary: 'TRUNCATE',
  details: 'Not if the same plan creates the table, or if the table is empty.',
  breaks: 'All rows of the table are lost; only a backup has them. Row triggers do not fire.',
  instead: '`DELETE` with a `WHERE` that names the rows.',
  on: ['TruncateStmt'],
  check: ({ node, indexOf }, context) => {
    if (!('TruncateStmt' in node)) return [];
    return (node.TruncateStmt.relations ?? []).flatMap((relation): Violation[] => {
      if (!('RangeVar' in relation)) return [];
      const table = tableOf(relation.RangeVar);
      if (context.isNew(table) || context.isKnownEmpty(table)) return [];
      return [
        {
          index: indexOf(relation.RangeVar.location),
          message: `TRUNCATE removes every row of ${quoted(table)} (${context.sizeText(table)}) and fires no row trigger. Only a backup can restore the rows.${alsoByCascade(node)}`,
          rewrite: `DELETE FROM ${quoted(table)} WHERE …; -- name the rows to delete`,
        },
      ];
    });
  },
};

export const cascade: StatementRule = {
  id: 'cascade',
  severity: 'error',
  summary: 'DROP or TRUNCATE with CASCADE',
  details:
    'Not if another finding of the statement reports it, and not if the statement drops only what the same plan creates.',
  breaks: 'PostgreSQL also removes dependent objects that the file does not name.',
  instead:
    'Leave out `CASCADE`. PostgreSQL then refuses the statement and names the dependent objects; drop these first, by name.',
  isReplaceable: true,
  on: ['DropStmt', 'TruncateStmt', 'DropOwnedStmt', 'AT_DropColumn', 'AT_DropConstraint'],
  check: (statement, context) => {
    const { node, index, sql } = statement;
    const what = cascadeText(node);
    if (what === undefined || isOnlyNew(node, context)) return [];
    if ([dropTable, dropColumn, truncate].some((rule) => rule.check(statement, context).length > 0))
      return [];
    return [
      {
        index,
        message: what,
        rewrite: `${sql.replace(/\s+CASCADE\b(?!.*\bCASCADE\b)/is, '')}; -- PostgreSQL then names the dependent objects: drop these first, by name`,
      },
    ];
  },
};

/** Says what else is removed; undefined for a statement without CASCADE. */
function cascadeText(node: Node): string | undefined {
  const isCascade =
    ('DropStmt' in node && node.DropStmt.behavior === 'DROP_CASCADE') ||
    ('TruncateStmt' in node && node.TruncateStmt.behavior === 'DROP_CASCADE') ||
    ('DropOwnedStmt' in node && node.DropOwnedStmt.behavior === 'DROP_CASCADE') ||
    commandsOf(node).some(
      ({ subtype = '', behavior }) => subtype.startsWith('AT_Drop') && behavior === 'DROP_CASCADE',
    );
  if (!isCascade) return undefined;
  return 'TruncateStmt' in node
    ? 'CASCADE also empties every table with a foreign key to this one, and so on; the file does not name these tables.'
    : 'CASCADE also drops everything that depends on it (views, foreign keys, columns); the file does not name these objects.';
}

function alsoByCascade(node: Node): string {
  const text = cascadeText(node);
  return text === undefined ? '' : ` ${text}`;
}

function isOnlyNew(node: Node, context: RuleContext): boolean {
  if ('DropStmt' in node) {
    const { removeType, objects = [] } = node.DropStmt;
    return removeType === 'OBJECT_TABLE' && objects.every((object) => context.isNew(objectName(object)));
  }
  if ('TruncateStmt' in node) {
    const { relations = [] } = node.TruncateStmt;
    return relations.every((one) => 'RangeVar' in one && context.isNew(tableOf(one.RangeVar)));
  }
  if (!('AlterTableStmt' in node)) return false;
  const table = tableOf(node.AlterTableStmt.relation);
  return commandsOf(node)
    .filter(({ behavior }) => behavior === 'DROP_CASCADE')
    .every(
      ({ subtype, name = '' }) =>
        context.isNew(table) || (subtype === 'AT_DropColumn' && context.isNewColumn(table, name)),
    );
}

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
