import { escapeIdentifier } from 'pg';
import { quoted, tableOf } from '../ast.js';
import type { Rule } from '../rule.js';

/** A table under another name, or in another schema: the application that runs asks for the old one. */
export const renameTable: Rule = {
  id: 'rename-table',
  on: ['RenameStmt', 'AlterObjectSchemaStmt'],
  check: ({ node, index }, context) => {
    const moved = newPlace(node);
    if (!moved || context.isNew(tableOf(moved.relation))) return [];
    const table = tableOf(moved.relation);
    return [
      {
        severity: 'error',
        index,
        message: `The application that runs while this is applied asks for ${quoted(table)}, and fails from here on.`,
        rewrite: `-- No SQL: let Prisma use another name for the same table, in schema.prisma:\n--   model ${moved.to} { … @@map("${table.name}") }`,
      },
    ];
  },
};

/** A column under another name. */
export const renameColumn: Rule = {
  id: 'rename-column',
  on: ['RenameStmt'],
  check: ({ node, index }, context) => {
    if (!('RenameStmt' in node) || node.RenameStmt.renameType !== 'OBJECT_COLUMN') return [];
    const { relation, subname = '', newname = '' } = node.RenameStmt;
    const table = tableOf(relation);
    if (context.isNew(table)) return [];
    return [
      {
        severity: 'error',
        index,
        message: `The application that runs while this is applied asks for ${escapeIdentifier(subname)} of ${quoted(table)}, and fails from here on.`,
        rewrite: `-- No SQL: let Prisma use another name for the same column, in schema.prisma:\n--   ${newname} … @map("${subname}")`,
      },
    ];
  },
};

function newPlace(node: Parameters<Rule['check']>[0]['node']) {
  if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_TABLE') {
    return { relation: node.RenameStmt.relation, to: node.RenameStmt.newname ?? '' };
  }
  if ('AlterObjectSchemaStmt' in node && node.AlterObjectSchemaStmt.objectType === 'OBJECT_TABLE') {
    const { relation } = node.AlterObjectSchemaStmt;
    return { relation, to: relation?.relname ?? '' };
  }
  return undefined;
}
