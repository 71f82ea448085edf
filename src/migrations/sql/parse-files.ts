import type { Node } from 'libpg-query';
import type { LintFile } from '../lint/lint.types.js';
import { qualifyNames } from '../names/qualify-names.js';
import { isTemporary } from '../names/search-path.js';
import { readText, SourceText } from './source-text.js';
import { isFault, loadSqlParser, type SqlParser } from './sql-parser.js';
import { readDoBlock, type Statement, statementsOf } from './statements.js';
import { objectName, type TableName } from './syntax-tree.js';

/** Why a file, or a part of it, cannot be read. */
export interface Obstacle {
  /** `missing`: there is no file. `unknown`: what a part of it does is known only when it runs. */
  readonly kind: 'missing' | 'encoding' | 'syntax' | 'unknown';
  readonly message: string;
  readonly index: number;
}

/** A file and its statements; none if it could not be read. */
export interface ParsedFile {
  readonly file: LintFile;
  readonly source: SourceText;
  /** As they are in the file. */
  readonly statements: readonly Statement[];
  /** The same, with the statements of `DO` blocks in place of the blocks. */
  readonly flat: readonly Statement[];
  readonly obstacles: readonly Obstacle[];
}

/** Parses files with PostgreSQL's own grammar. */
export async function parseFiles(files: readonly LintFile[]): Promise<ParsedFile[]> {
  const parser = await loadSqlParser();
  return files.map((file) => parseFile(file, parser));
}

/** Returns the tables that files name, without temporary ones. */
export function touchedTables(parsed: readonly ParsedFile[]): TableName[] {
  return parsed
    .flatMap(({ flat }) => flat.flatMap(({ node }) => [...tablesIn(node), ...dropped(node)]))
    .filter(({ schema }) => !isTemporary(schema));
}

/** Yields every relation that a tree names. */
export function* tablesIn(tree: unknown): Generator<TableName> {
  if (typeof tree !== 'object' || tree === null) return;
  if ('relname' in tree && typeof tree.relname === 'string') {
    const schema = 'schemaname' in tree && typeof tree.schemaname === 'string' ? tree.schemaname : undefined;
    yield { schema, name: tree.relname };
  }
  for (const part of Object.values(tree)) yield* tablesIn(part);
}

function dropped(node: Node): TableName[] {
  if (!('DropStmt' in node)) return [];
  const { removeType, objects = [] } = node.DropStmt;
  if (!/^OBJECT_(POLICY|TRIGGER|RULE)$/.test(removeType ?? ''))
    return objects.map((object) => objectName(object));
  // The last part is the name of the policy, those before it the name of the table.
  return objects.map((object) =>
    objectName('List' in object ? { List: { items: (object.List.items ?? []).slice(0, -1) } } : object),
  );
}

function parseFile(file: LintFile, parser: SqlParser): ParsedFile {
  const nothing = { file, statements: [], flat: [] };
  if (file.content === null) {
    const message =
      'The directory has no migration.sql, so Prisma and pgkeep refuse to apply any migration (P3015).';
    return { ...nothing, source: new SourceText(''), obstacles: [{ kind: 'missing', message, index: 0 }] };
  }
  const source = readText(file.content);
  if (typeof source === 'string') {
    const obstacle = { kind: 'encoding', message: source, index: 0 } as const;
    return { ...nothing, source: new SourceText(''), obstacles: [obstacle] };
  }
  const parsed = parser.parse(source.text);
  if (isFault(parsed)) {
    const { message, codePoint } = parsed;
    const obstacle: Obstacle =
      codePoint === undefined
        ? {
            kind: 'unknown',
            message: `The parser failed (${message}), so nothing in this file was checked.`,
            index: 0,
          }
        : {
            kind: 'syntax',
            message: `PostgreSQL refuses this: ${message}.`,
            index: source.indexOfCodePoint(codePoint),
          };
    return { ...nothing, source, obstacles: [obstacle] };
  }
  const statements = statementsOf(source, parsed);
  const obstacles: Obstacle[] = [];
  const flat = statements.flatMap((statement) => {
    const block = readDoBlock(statement, source.text, parser);
    if (!block) return [statement];
    for (const { why, index } of block.unread) {
      obstacles.push({ kind: 'unknown', message: `Not checked: ${why}.`, index });
    }
    return block.statements.map((one) => Object.assign(one, { block: statement }));
  });
  qualifyNames(flat);
  return { file, source, statements, flat, obstacles };
}
