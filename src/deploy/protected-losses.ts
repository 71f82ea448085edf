import type { Node } from 'libpg-query';
import type { PgkeepError } from '../core/errors.js';
import type { ParsedFile } from '../migrations/sql/parse-files.js';
import type { Statement } from '../migrations/sql/statements.js';
import { objectName, stringsOf, type TableName, tableOf, walk } from '../migrations/sql/syntax-tree.js';
import { refused } from './preconditions.js';
import type { ProtectedTable } from './protected-tables.js';

/** A statement that removes rows of a protected table. */
interface Loss {
  /** `TRUNCATE`, `DROP TABLE`. */
  readonly what: string;
  readonly table: ProtectedTable;
  /** Index of the statement in its file. */
  readonly index: number;
}

/** What one statement removes: rows of a table by its name, or everything in a schema. */
interface Removal {
  readonly what: string;
  readonly removes: (table: ProtectedTable) => boolean;
}

/** A statement that removes rows of a protected table, and its place: `file:line:column`. */
export interface ProtectedLoss {
  readonly place: string;
  readonly what: string;
  readonly table: string;
}

/**
 * Refuses migrations that drop, truncate or delete from a protected table, or from one whose removal cascades to it.
 * What the SQL does not show (a called function, dynamic SQL) is found by counting afterwards.
 * @param schema of unqualified names
 */
export function refusalOfLosses(
  parsed: readonly ParsedFile[],
  tables: readonly ProtectedTable[],
  schema: string,
): PgkeepError | undefined {
  const loss = findProtectedLoss(parsed, tables, schema);
  return (
    loss &&
    refused(
      `${loss.what} at ${loss.place} removes rows of ${loss.table}, which is protected (PROTECTED_TABLES)`,
      'Rewrite the migration so that it keeps the rows. If removing them is intended and approved, deploy once without that table in PROTECTED_TABLES.',
    )
  );
}

/** Returns the first statement that removes rows of a protected table. Pure. */
export function findProtectedLoss(
  parsed: readonly ParsedFile[],
  tables: readonly ProtectedTable[],
  schema: string,
): ProtectedLoss | undefined {
  if (tables.length === 0) return undefined;
  const names = new Names(schema);
  for (const { file, source, flat } of parsed) {
    for (const statement of flat) {
      const loss = lossOf(statement, tables, names);
      if (loss) {
        const { line, column } = source.position(loss.index);
        return { place: `${file.path}:${line}:${column}`, what: loss.what, table: loss.table.name };
      }
      names.learn(statement.node);
    }
  }
  return undefined;
}

function lossOf(statement: Statement, tables: readonly ProtectedTable[], names: Names): Loss | undefined {
  for (const { what, removes } of removalsOf(statement.node, names)) {
    const table = tables.find(removes);
    if (table) return { what, table, index: statement.index };
  }
  return undefined;
}

function removalsOf(node: Node, names: Names): Removal[] {
  const ofFamily = (what: string, table: TableName): Removal => {
    const key = names.key(table);
    return { what, removes: ({ family }) => family.includes(key) };
  };
  if ('DropStmt' in node) {
    const { removeType, objects = [] } = node.DropStmt;
    if (removeType === 'OBJECT_TABLE') return objects.map((one) => ofFamily('DROP TABLE', objectName(one)));
    if (removeType !== 'OBJECT_SCHEMA') return [];
    const schemas = new Set(objects.flatMap((one) => stringsOf([one])));
    return [{ what: 'DROP SCHEMA', removes: ({ schema }) => schemas.has(schema) }];
  }
  if ('DropOwnedStmt' in node) return [{ what: 'DROP OWNED', removes: () => true }];
  if ('TruncateStmt' in node) {
    const { relations = [], behavior } = node.TruncateStmt;
    return relations.flatMap((relation) => {
      if (!('RangeVar' in relation)) return [];
      const key = names.key(tableOf(relation.RangeVar));
      if (behavior !== 'DROP_CASCADE') return [ofFamily('TRUNCATE', tableOf(relation.RangeVar))];
      const removes = ({ family, referenced }: ProtectedTable): boolean =>
        family.includes(key) || referenced.includes(key);
      return [{ what: 'TRUNCATE … CASCADE', removes }];
    });
  }
  return deletionsIn(node, names);
}

/** Finds deletions, which may be in a WITH, in EXPLAIN or in MERGE. */
function deletionsIn(node: Node, names: Names): Removal[] {
  const deletions: Removal[] = [];
  const add = (what: string, table: TableName): void => {
    const key = names.key(table);
    deletions.push({
      what,
      removes: ({ family, cascading }) => family.includes(key) || cascading.includes(key),
    });
  };
  walk(node, (inner) => {
    if ('DeleteStmt' in inner) add('DELETE', tableOf(inner.DeleteStmt.relation));
    if ('MergeStmt' in inner && JSON.stringify(inner).includes('CMD_DELETE')) {
      add('MERGE … DELETE', tableOf(inner.MergeStmt.relation));
    }
  });
  return deletions;
}

/** Resolves table names after the renames of the migrations so far. */
class Names {
  private readonly renamed = new Map<string, string>();

  constructor(private readonly schema: string) {}

  /** Returns the table's current name in the database: schema.table. */
  key(table: TableName): string {
    const name = this.written(table);
    return this.renamed.get(name) ?? name;
  }

  learn(node: Node): void {
    if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_TABLE') {
      const { relation, newname = '' } = node.RenameStmt;
      const table = tableOf(relation);
      this.move(table, { schema: table.schema, name: newname });
    }
    if ('AlterObjectSchemaStmt' in node && node.AlterObjectSchemaStmt.objectType === 'OBJECT_TABLE') {
      const { relation, newschema } = node.AlterObjectSchemaStmt;
      this.move(tableOf(relation), { schema: newschema, name: relation?.relname ?? '' });
    }
  }

  private move(from: TableName, to: TableName): void {
    const key = this.key(from);
    // From here on this name is another table.
    this.renamed.set(this.written(from), '');
    this.renamed.set(this.written(to), key);
  }

  private written({ schema, name }: TableName): string {
    return `${schema ?? this.schema}.${name}`;
  }
}
