import { escapeIdentifier } from 'pg';
import { commandsOf, objectName, quoted, tableOf } from '../ast.js';
import type { Rule, Violation } from '../rule.js';

/** DROP TABLE, of one that holds rows or may hold some. */
export const dropTable: Rule = {
  id: 'drop-table',
  on: ['DropStmt'],
  check: ({ node, index }, context) => {
    if (!('DropStmt' in node) || !/^OBJECT_(FOREIGN_)?TABLE$/.test(node.DropStmt.removeType ?? '')) return [];
    return (node.DropStmt.objects ?? []).flatMap((object): Violation[] => {
      const table = objectName(object);
      if (context.isNew(table)) return [];
      const isEmpty = !context.mayHoldRows(table);
      return [
        {
          severity: isEmpty ? 'warning' : 'error',
          index,
          message: isEmpty
            ? `DROP TABLE removes ${quoted(table)}. It is empty now; an application that still asks for it fails.`
            : `DROP TABLE removes ${quoted(table)} and all of its rows (${context.sizeText(table)}). Only a backup brings them back, and an application that still asks for it fails.`,
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
    if (!('AlterTableStmt' in node) || node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return [];
    const table = tableOf(node.AlterTableStmt.relation);
    if (context.isNew(table)) return [];
    return commandsOf(node).flatMap(({ subtype, name = '' }): Violation[] => {
      if (subtype !== 'AT_DropColumn') return [];
      const column = escapeIdentifier(name);
      const isEmpty = !context.mayHoldRows(table);
      return [
        {
          severity: isEmpty ? 'warning' : 'error',
          index,
          message: isEmpty
            ? `DROP COLUMN removes ${column} of ${quoted(table)}. It is empty now; an application that still names the column fails.`
            : `DROP COLUMN removes ${column} of ${quoted(table)} and its value in every row (${context.sizeText(table)}). Only a backup brings them back, and an application that still names it fails: Prisma names every column of its schema.`,
          rewrite: [
            `-- Release an application whose schema has no ${column} any more; a required column must first let go:`,
            `ALTER TABLE ${quoted(table)} ALTER COLUMN ${column} DROP NOT NULL;`,
            '-- Drop it when nobody has missed it, with a waiver that says so.',
          ].join('\n'),
        },
      ];
    });
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
        message: `${what} removes everything in it at once, tables and rows included. Only a backup brings them back.`,
        rewrite: '-- Drop what is not needed any more by name, table by table.',
      },
    ];
  },
};

function wholesale(node: Parameters<Rule['check']>[0]['node']): string | undefined {
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
      if (context.isNew(table)) return [];
      return [
        {
          severity: 'error',
          index: indexOf(relation.RangeVar.location),
          message: `TRUNCATE removes every row of ${quoted(table)} (${context.sizeText(table)}) and fires no row trigger. Only a backup brings them back.`,
          rewrite: `DELETE FROM ${quoted(table)} WHERE …; -- name the rows that are meant`,
        },
      ];
    });
  },
};

/** CASCADE: what else goes is not written down anywhere. */
export const cascade: Rule = {
  id: 'cascade',
  on: ['DropStmt', 'TruncateStmt', 'DropOwnedStmt', 'AlterTableStmt'],
  check: ({ node, index, sql }) => {
    const isCascade =
      ('DropStmt' in node && node.DropStmt.behavior === 'DROP_CASCADE') ||
      ('TruncateStmt' in node && node.TruncateStmt.behavior === 'DROP_CASCADE') ||
      ('DropOwnedStmt' in node && node.DropOwnedStmt.behavior === 'DROP_CASCADE') ||
      commandsOf(node).some(
        ({ subtype = '', behavior }) => subtype.startsWith('AT_Drop') && behavior === 'DROP_CASCADE',
      );
    if (!isCascade) return [];
    return [
      {
        severity: 'error',
        index,
        message:
          'TruncateStmt' in node
            ? 'CASCADE empties every table that refers to this one as well, and theirs: which ones is decided when it runs.'
            : 'CASCADE drops whatever depends on it as well (views, foreign keys, columns): what goes is decided when it runs, and written down nowhere.',
        rewrite: `${sql.replace(/\s+CASCADE\b(?!.*\bCASCADE\b)/is, '')}; -- PostgreSQL then names what depends on it: drop that first, by name`,
      },
    ];
  },
};
