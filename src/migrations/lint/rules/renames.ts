import type { Node, RenameStmt } from 'libpg-query';
import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Statement } from '../../sql/statements.js';
import { objectName, quoted, stringsOf, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { Rule, RuleContext } from '../rule.js';

/** What an application reads from. */
const RELATIONS = new Set<string | undefined>([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
]);

/** A table or a view under another name, or in another schema: the application that runs asks for the old one. */
export const renameTable: Rule = {
  id: 'rename-table',
  on: ['RenameStmt', 'AlterObjectSchemaStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    const moved = newPlace(node);
    if (moved === undefined || context.isNew(moved.table) || isMadeAgain(moved.table, statement, context))
      return [];
    return [
      {
        severity: 'error',
        index,
        message: `The application that runs while this is applied asks for ${quoted(moved.table)}, and fails from here on.`,
        rewrite: `-- No SQL: let Prisma use another name for the same table, in schema.prisma:\n--   model ${moved.to} { … @@map("${moved.table.name}") }`,
      },
    ];
  },
};

/** A schema under another name: everything in it moves. */
export const renameSchema: Rule = {
  id: 'rename-schema',
  on: ['RenameStmt'],
  check: ({ node, index }) => {
    if (!('RenameStmt' in node) || node.RenameStmt.renameType !== 'OBJECT_SCHEMA') return [];
    const { subname = '' } = node.RenameStmt;
    return [
      {
        severity: 'error',
        index,
        message: `The running application still uses tables of schema ${escapeIdentifier(subname)} and will fail.`,
        rewrite:
          '-- Keep the name, or stop the application for this migration and waive this with that reason.',
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
    if (context.isNewColumn(table, subname)) return [];
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

/** A type, or a value of an enum, under another name: the application that runs writes and expects the old one. */
export const renameType: Rule = {
  id: 'rename-type',
  on: ['RenameStmt', 'AlterEnumStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    if ('AlterEnumStmt' in node) {
      const { oldVal, typeName } = node.AlterEnumStmt;
      if (oldVal === undefined) return [];
      const type = quoted(objectName({ List: { items: typeName ?? [] } }));
      return [
        {
          severity: 'error',
          index,
          message: `The running application still uses the value ${escapeLiteral(oldVal)} of ${type} and will fail.`,
          rewrite: `-- No SQL: let Prisma use another name for the same value, in schema.prisma:\n--   … @map("${oldVal}")`,
        },
      ];
    }
    if (!('RenameStmt' in node) || !/^OBJECT_(TYPE|DOMAIN)$/.test(node.RenameStmt.renameType ?? ''))
      return [];
    const { object } = node.RenameStmt;
    if (!object) return [];
    const type = objectName(object);
    // Prisma replaces an enum: the old one is put aside, and the new one takes its name.
    if (isMadeAgain(type, statement, context) || wasMadeHere(type, statement, context)) return [];
    return [
      {
        severity: 'error',
        index,
        message: `The running application still uses the type ${quoted(type)} and will fail.`,
        rewrite: `-- No SQL: let Prisma use another name for the same type, in schema.prisma:\n--   enum … { … @@map("${type.name}") }`,
      },
    ];
  },
};

function newPlace(node: Node): { table: TableName; to: string } | undefined {
  if ('RenameStmt' in node && RELATIONS.has(node.RenameStmt.renameType)) {
    return { table: tableOf(node.RenameStmt.relation), to: node.RenameStmt.newname ?? '' };
  }
  if ('AlterObjectSchemaStmt' in node && RELATIONS.has(node.AlterObjectSchemaStmt.objectType)) {
    const { relation } = node.AlterObjectSchemaStmt;
    return { table: tableOf(relation), to: relation?.relname ?? '' };
  }
  return undefined;
}

/** Whether a later statement of the file gives the name to something else: what asks for it finds that. */
function isMadeAgain({ name }: TableName, statement: Statement, context: RuleContext): boolean {
  return context.after(statement).some(({ node }) => nameGiven(node) === name);
}

function wasMadeHere({ name }: TableName, statement: Statement, { statements }: RuleContext): boolean {
  return statements.some((other) => other.index < statement.index && nameGiven(other.node) === name);
}

/** The name that a statement gives to a table, a view or a type. */
function nameGiven(node: Node): string | undefined {
  if ('CreateStmt' in node) return node.CreateStmt.relation?.relname;
  if ('ViewStmt' in node) return node.ViewStmt.view?.relname;
  if ('CreateEnumStmt' in node) return stringsOf(node.CreateEnumStmt.typeName).at(-1);
  if ('CreateDomainStmt' in node) return stringsOf(node.CreateDomainStmt.domainname).at(-1);
  if ('CompositeTypeStmt' in node) return node.CompositeTypeStmt.typevar?.relname;
  return 'RenameStmt' in node ? renamedTo(node.RenameStmt) : undefined;
}

function renamedTo({ renameType: kind = 'OBJECT_TABLE', newname }: RenameStmt): string | undefined {
  return RELATIONS.has(kind) || /^OBJECT_(TYPE|DOMAIN)$/.test(kind) ? newname : undefined;
}
