import type { Node } from 'libpg-query';
import type { LintFile } from '../lint/lint.types.js';
import { qualifyNames } from '../names/qualify-names.js';
import { isTemporary } from '../names/search-path.js';
import { readText, SourceText } from './source-text.js';
import { isFault, loadSqlParser, type SqlParser } from './sql-parser.js';
import { readDoBlock, type Statement, statementsOf } from './statements.js';
import { objectName, type TableName } from './syntax-tree.js';

/** Something in a file that is not a statement's fault. */
export interface Obstacle {
  readonly rule: 'syntax-error' | 'not-utf8' | 'not-looked-into' | 'no-script';
  readonly message: string;
  readonly index: number;
}

/** A file and its statements; none where it could not be read. */
export interface ParsedFile {
  readonly file: LintFile;
  readonly source: SourceText;
  /** As they stand in the file. */
  readonly statements: readonly Statement[];
  /** The same, with what `DO` blocks run in place of the blocks. */
  readonly flat: readonly Statement[];
  readonly obstacles: readonly Obstacle[];
}

/** Reads files with PostgreSQL's own grammar. */
export async function parseFiles(files: readonly LintFile[]): Promise<ParsedFile[]> {
  const parser = await loadSqlParser();
  return files.map((file) => parseFile(file, parser));
}

/** The tables that judged files name: those whose sizes are worth asking for. */
export function touchedTables(parsed: readonly ParsedFile[]): TableName[] {
  return parsed
    .filter(({ file }) => file.isJudged !== false)
    .flatMap(({ flat }) => flat.flatMap(({ node }) => [...tablesIn(node), ...dropped(node)]))
    .filter(({ schema }) => !isTemporary(schema));
}

/** Every relation that a tree names. */
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
  // The last part is the policy's name, and what stands before it the table's.
  return objects.map((object) =>
    objectName('List' in object ? { List: { items: (object.List.items ?? []).slice(0, -1) } } : object),
  );
}

function parseFile(file: LintFile, parser: SqlParser): ParsedFile {
  const nothing = { file, statements: [], flat: [] };
  if (file.content === null) {
    const message =
      'The directory holds no migration.sql: Prisma and pgkeep refuse to apply any migration (P3015).';
    return { ...nothing, source: new SourceText(''), obstacles: [{ rule: 'no-script', message, index: 0 }] };
  }
  const source = readText(file.content);
  if (typeof source === 'string') {
    const obstacle = { rule: 'not-utf8', message: source, index: 0 } as const;
    return { ...nothing, source: new SourceText(''), obstacles: [obstacle] };
  }
  const parsed = parser.parse(source.text);
  if (isFault(parsed)) {
    const { message, codePoint } = parsed;
    const obstacle: Obstacle =
      codePoint === undefined
        ? {
            rule: 'not-looked-into',
            message: `The parser gives up (${message}): nothing in this file was judged.`,
            index: 0,
          }
        : {
            rule: 'syntax-error',
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
      obstacles.push({ rule: 'not-looked-into', message: `Not judged: ${why}.`, index });
    }
    return block.statements.map((one) => Object.assign(one, { block: statement }));
  });
  qualifyNames(flat);
  return { file, source, statements, flat, obstacles };
}
