import type { Node, RenameStmt } from 'libpg-query';
import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Statement } from '../../sql/statements.js';
import { objectName, quoted, stringsOf, type TableName, tableOf } from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule } from '../rule.js';

/** What an application reads. */
const RELATIONS = new Set<string | undefined>([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
]);

export const renameTable: StatementRule = {
  id: 'rename-table',
  severity: 'error',
  summary: 'A table or a view renamed, or moved to another schema',
  details:
    'Not if the file gives the old name to another table or view, and not if the same plan creates the table.',
  breaks: 'The running application still uses the old name and fails.',
  instead: 'Keep the name in the database, and rename the model only: `@@map` in schema.prisma.',
  on: ['RenameStmt', 'AlterObjectSchemaStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    const moved = newPlace(node);
    if (moved === undefined || context.isNew(moved.table) || isMadeAgain(moved.table, statement, context))
      return [];
    return [
      {
        index,
        message: `The running application still uses ${quoted(moved.table)} and will fail.`,
        rewrite: `-- No SQL: let Prisma use another name for the same table, in schema.prisma:\n--   model ${moved.to} { … @@map("${moved.table.name}") }`,
      },
    ];
  },
};

export const renameSchema: StatementRule = {
  id: 'rename-schema',
  severity: 'error',
  summary: 'A schema renamed',
  breaks: 'The running application still uses the tables of the schema by its old name and fails.',
  instead: 'Keep the name; or stop the application for the migration, and waive the finding.',
  on: ['RenameStmt'],
  check: ({ node, index }) => {
    if (!('RenameStmt' in node) || node.RenameStmt.renameType !== 'OBJECT_SCHEMA') return [];
    const { subname = '' } = node.RenameStmt;
    return [
      {
        index,
        message: `The running application still uses tables of schema ${escapeIdentifier(subname)} and will fail.`,
        rewrite:
          '-- Keep the name; or stop the application for this migration, and waive the finding with that reason.',
      },
    ];
  },
};

export const renameColumn: StatementRule = {
  id: 'rename-column',
  severity: 'error',
  summary: 'A column renamed',
  details: 'Not if the same plan adds the column, or creates the table.',
  breaks: 'The running application still uses the old name and fails.',
  instead: 'Keep the name in the database, and rename the field only: `@map` in schema.prisma.',
  on: ['RenameStmt'],
  check: ({ node, index }, context) => {
    if (!('RenameStmt' in node) || node.RenameStmt.renameType !== 'OBJECT_COLUMN') return [];
    const { relation, subname = '', newname = '' } = node.RenameStmt;
    const table = tableOf(relation);
    if (context.isNewColumn(table, subname)) return [];
    return [
      {
        index,
        message: `The running application still uses ${escapeIdentifier(subname)} of ${quoted(table)} and will fail.`,
        rewrite: `-- No SQL: let Prisma use another name for the same column, in schema.prisma:\n--   ${newname} … @map("${subname}")`,
      },
    ];
  },
};

export const renameType: StatementRule = {
  id: 'rename-type',
  severity: 'error',
  summary: 'A type, or a value of an enum, renamed',
  details: 'Not if the file gives the old name to another type: Prisma replaces enums in this way.',
  breaks: 'The running application still uses the old name and fails.',
  instead:
    'Keep the name in the database, and rename it in schema.prisma only: `@@map` for the enum, `@map` for a value.',
  on: ['RenameStmt', 'AlterEnumStmt'],
  check: (statement, context) => {
    const { node, index } = statement;
    if ('AlterEnumStmt' in node) {
      const { oldVal, typeName } = node.AlterEnumStmt;
      if (oldVal === undefined) return [];
      const type = quoted(objectName({ List: { items: typeName ?? [] } }));
      return [
        {
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
    // Prisma replaces an enum: the old one is renamed, and the new one gets its name.
    if (isMadeAgain(type, statement, context) || wasMadeHere(type, statement, context)) return [];
    return [
      {
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

/** Whether a later statement of the file gives the name to another object, which the application then finds. */
function isMadeAgain({ name }: TableName, statement: Statement, context: RuleContext): boolean {
  return context.after(statement).some(({ node }) => nameGiven(node) === name);
}

function wasMadeHere({ name }: TableName, statement: Statement, { statements }: RuleContext): boolean {
  return statements.some((other) => other.index < statement.index && nameGiven(other.node) === name);
}

/** Returns the name that a statement gives to a table, a view or a type. */
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
