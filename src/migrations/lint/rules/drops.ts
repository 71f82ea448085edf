import type { Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { commandsOf, objectName, quoted, tableOf } from '../../sql/syntax-tree.js';
import type { Rule, RuleContext, Violation } from '../rule.js';

/** DROP TABLE, of one that holds rows or may hold some. */
export const dropTable: Rule = {
  id: 'drop-table',
  on: ['DropStmt'],
  check: ({ node, index }, context) => {
    if (!('DropStmt' in node) || !/^OBJECT_(FOREIGN_)?TABLE$/.test(node.DropStmt.removeType ?? '')) return [];
    return (node.DropStmt.objects ?? []).flatMap((object): Violation[] => {
      const table = objectName(object);
      if (context.isNew(table)) return [];
      const isEmpty = context.isKnownEmpty(table);
      const message = isEmpty
        ? `DROP TABLE removes ${quoted(table)}. It is empty now; an application that still asks for it fails.`
        : `DROP TABLE removes ${quoted(table)} and all of its rows (${context.sizeText(table)}). Only a backup brings them back, and an application that still asks for it fails.`;
      return [
        {
          severity: isEmpty && cascadeText(node) === undefined ? 'warning' : 'error',
          index,
          message: `${message}${alsoByCascade(node)}`,
          rewrite: [
            '-- First a release that no longer uses it. Then put it out of the way, where it can still be fetched back:',
            '-- pgkeep:allow rename-table because nothing uses it any more',
            `ALTER TABLE ${quoted(table)} SET SCHEMA "retired";`,
            '-- Drop it when nobody has missed it, with a waiver that says so.',
          ].join('\n'),
        },
      ];
    });
  },
};

/** ALTER TABLE … DROP COLUMN */
export const dropColumn: Rule = {
  id: 'drop-column',
  on: ['AlterTableStmt'],
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
    const [its, them, it] =
      names.length === 1 ? ['its value', 'it', 'the column'] : ['their values', 'them', 'one'];
    const message = isEmpty
      ? `DROP COLUMN removes ${columns} of ${quoted(table)}. It is empty now; an application that still names ${it} fails.`
      : `DROP COLUMN removes ${columns} of ${quoted(table)} and ${its} in every row (${context.sizeText(table)}). Only a backup brings them back, and an application that still names ${them} fails: Prisma names every column of its schema.`;
    return [
      {
        severity: isEmpty && cascadeText(node) === undefined ? 'warning' : 'error',
        index,
        message: `${message}${alsoByCascade(node)}`,
        rewrite: [
          `-- Release an application whose schema has no ${columns} any more; a required column must first let go:`,
          ...names.map((name) => `ALTER TABLE ${quoted(table)} ALTER COLUMN ${name} DROP NOT NULL;`),
          '-- Drop it when nobody has missed it, with a waiver that says so.',
        ].join('\n'),
      },
    ];
  },
};

/** DROP SCHEMA, DROP DATABASE, DROP OWNED: everything in it. */
export const dropSchema: Rule = {
  id: 'drop-schema',
  on: ['DropStmt', 'DropdbStmt', 'DropOwnedStmt'],
  check: ({ node, index }) => {
    const what = wholesale(node);
    if (what === undefined) return [];
    return [
      {
        severity: 'error',
        index,
        message: `${what} removes everything in it, tables and rows included. Only a backup brings them back.`,
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

/** TRUNCATE */
export const truncate: Rule = {
  id: 'truncate',
  on: ['TruncateStmt'],
  check: ({ node, indexOf }, context) => {
    if (!('TruncateStmt' in node)) return [];
    return (node.TruncateStmt.relations ?? []).flatMap((relation): Violation[] => {
      if (!('RangeVar' in relation)) return [];
      const table = tableOf(relation.RangeVar);
      if (context.isNew(table) || context.isKnownEmpty(table)) return [];
      return [
        {
          severity: 'error',
          index: indexOf(relation.RangeVar.location),
          message: `TRUNCATE removes every row of ${quoted(table)} (${context.sizeText(table)}) and fires no row trigger. Only a backup brings them back.${alsoByCascade(node)}`,
          rewrite: `DELETE FROM ${quoted(table)} WHERE …; -- name the rows that are meant`,
        },
      ];
    });
  },
};

/**
 * CASCADE: what else goes is not written down anywhere. Where the statement has a finding already, that one says it;
 * what is new has nothing that depends on it and is older.
 */
export const cascade: Rule = {
  id: 'cascade',
  on: ['DropStmt', 'TruncateStmt', 'DropOwnedStmt', 'AlterTableStmt'],
  check: (statement, context) => {
    const { node, index, sql } = statement;
    const what = cascadeText(node);
    if (what === undefined || isOnlyNew(node, context)) return [];
    if ([dropTable, dropColumn, truncate].some((rule) => rule.check(statement, context).length > 0))
      return [];
    return [
      {
        severity: 'error',
        index,
        message: what,
        rewrite: `${sql.replace(/\s+CASCADE\b(?!.*\bCASCADE\b)/is, '')}; -- PostgreSQL then names what depends on it: drop that first, by name`,
      },
    ];
  },
};

/** What else goes; undefined where a statement has no CASCADE. */
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
    ? 'CASCADE empties every table that refers to this one as well, and theirs: which ones is decided when it runs.'
    : 'CASCADE drops whatever depends on it as well (views, foreign keys, columns): what goes is decided when it runs, and written down nowhere.';
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
