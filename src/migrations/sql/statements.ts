import type { Node } from 'libpg-query';
import type { SourceText } from './source-text.js';
import type { ParsedStatement, SqlParser } from './sql-parser.js';
import { stringOf } from './syntax-tree.js';

/** A statement of a file, or of a `DO` block in it. */
export interface Statement {
  readonly node: Node;
  /** Without the comments before it and the semicolon after it. */
  readonly sql: string;
  /** Where it begins in the file's text. */
  readonly index: number;
  /** Returns the index into the file's text of a location of the parser. */
  readonly indexOf: (location: number | undefined) => number;
  /** The `DO` block that runs it; absent for a statement of the file itself. */
  readonly block?: Statement;
}

/** Skips white space and comments; block comments nest. @returns the index after them. */
export function skipBlank(text: string, from: number): number {
  let index = from;
  for (;;) {
    if (/\s/.test(text[index] ?? '')) index += 1;
    else if (text.startsWith('--', index)) index = endOfLine(text, index);
    else if (text.startsWith('/*', index)) index = endOfBlockComment(text, index);
    else return index;
  }
}

/** Returns the statements of a file, with their places in it. */
export function statementsOf(source: SourceText, parsed: readonly ParsedStatement[]): Statement[] {
  return parsed.map(({ node, byte, length }) => {
    const index = skipBlank(source.text, source.indexOfByte(byte));
    const end = length === undefined ? source.text.length : source.indexOfByte(byte + length);
    return {
      node,
      sql: source.text.slice(index, end).trimEnd(),
      index,
      indexOf: (location) => (location === undefined || location < 0 ? index : source.indexOfByte(location)),
    };
  });
}

/** Returns the statements of a text within a file; all have the place where the text begins. */
export function embeddedStatements(parser: SqlParser, sql: string, index: number): Statement[] | undefined {
  const parsed = parser.parse(sql);
  if ('message' in parsed) return undefined;
  return parsed.map(({ node }) => ({ node, sql, index, indexOf: () => index }));
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end + 1;
}

function endOfBlockComment(text: string, from: number): number {
  let depth = 0;
  let index = from;
  do {
    if (text.startsWith('/*', index)) {
      depth += 1;
      index += 2;
    } else if (text.startsWith('*/', index)) {
      depth -= 1;
      index += 2;
    } else index += 1;
  } while (depth > 0 && index < text.length);
  return index;
}

/** What a `DO` block runs. */
interface DoBlock {
  readonly statements: readonly Statement[];
  /** What is unknown until it runs: why, and where. */
  readonly unread: readonly { readonly why: string; readonly index: number }[];
}

/** The names of PL/pgSQL's nodes that run SQL; each contains one SQL text. */
const RUNS_SQL = new Set(['PLpgSQL_stmt_execsql', 'PLpgSQL_stmt_perform', 'PLpgSQL_stmt_dynexecute']);

/** Reads a `DO` block; undefined for any other statement. */
export function readDoBlock(statement: Statement, text: string, parser: SqlParser): DoBlock | undefined {
  if (!('DoStmt' in statement.node)) return undefined;
  const options = (statement.node.DoStmt.args ?? []).flatMap((option) =>
    'DefElem' in option ? [option.DefElem] : [],
  );
  const language = stringOf(options.find(({ defname }) => defname === 'language')?.arg) ?? 'plpgsql';
  const body = stringOf(options.find(({ defname }) => defname === 'as')?.arg) ?? '';
  const plpgsql = language === 'plpgsql' ? parser.parsePlpgsql(statement.sql) : undefined;
  if (plpgsql === undefined) {
    const why = language === 'plpgsql' ? 'the block is not valid PL/pgSQL' : `the block is in ${language}`;
    return { statements: [], unread: [{ why, index: statement.index }] };
  }
  const start = text.indexOf(body, statement.index);
  const place = new Place(text, body, start === -1 ? statement.index : start);
  const statements: Statement[] = [];
  const unread: DoBlock['unread'][number][] = [];
  for (const { kind, sql } of runSql(plpgsql)) {
    const constant = kind === 'PLpgSQL_stmt_dynexecute' ? constantOf(sql, parser) : sql;
    const index = place.next(sql);
    const found = constant === undefined ? undefined : embeddedStatements(parser, constant, index);
    if (found) statements.push(...found);
    else unread.push({ why: 'EXECUTE runs a text that is built at run time', index });
  }
  return { statements, unread };
}

/** Finds texts in the body of a block, one after the other. */
class Place {
  private behind = 0;

  constructor(
    private readonly text: string,
    private readonly body: string,
    private readonly start: number,
  ) {}

  next(sql: string): number {
    const found = this.body.indexOf(sql, this.behind);
    if (found === -1 || !this.text.startsWith(this.body, this.start)) return this.start;
    this.behind = found + sql.length;
    return this.start + found;
  }
}

function* runSql(tree: unknown): Generator<{ kind: string; sql: string }> {
  if (typeof tree !== 'object' || tree === null) return;
  for (const [name, value] of Object.entries(tree)) {
    if (RUNS_SQL.has(name)) {
      const sql = queryOf(value);
      if (sql !== undefined) yield { kind: name, sql };
    }
    yield* runSql(value);
  }
}

/** Returns the text of the first expression below a node. */
function queryOf(tree: unknown): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  for (const [name, value] of Object.entries(tree)) {
    if (name === 'query' && typeof value === 'string') return value;
    const found = queryOf(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the text that `EXECUTE '…'` runs, if it is a constant. */
function constantOf(expression: string, parser: SqlParser): string | undefined {
  const parsed = parser.parse(`SELECT ${expression}`);
  if ('message' in parsed) return undefined;
  const node = parsed[0]?.node;
  const target = node && 'SelectStmt' in node ? node.SelectStmt.targetList?.[0] : undefined;
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined;
  return value && 'A_Const' in value ? value.A_Const.sval?.sval : undefined;
}
