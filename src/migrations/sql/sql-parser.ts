import type { Node, RawStmt } from 'libpg-query';
import { messageOf } from '../../core/errors.js';

/** A statement as PostgreSQL's grammar reads it. */
export interface ParsedStatement {
  readonly node: Node;
  /** Where it begins, in bytes; white space and comments before it included. */
  readonly byte: number;
  /** In bytes; undefined where it goes on to the end of the text. */
  readonly length: number | undefined;
}

/** Why a text could not be read. */
export interface ParseFault {
  /** PostgreSQL's message. */
  readonly message: string;
  /** In code points; undefined where the parser gave up without saying where. */
  readonly codePoint: number | undefined;
}

/** A piece of a text as PostgreSQL's scanner reads it, in bytes. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly isComment: boolean;
}

/** PostgreSQL's own grammar. */
export interface SqlParser {
  readonly parse: (text: string) => readonly ParsedStatement[] | ParseFault;
  /** The body of a `DO` block or a function as PL/pgSQL reads it; undefined where it cannot. */
  readonly parsePlpgsql: (statement: string) => unknown;
  /** The tokens of a text, comments among them; undefined where the scanner gives up. */
  readonly scan: (text: string) => readonly Token[] | undefined;
}

export function isFault(parsed: readonly ParsedStatement[] | ParseFault): parsed is ParseFault {
  return 'message' in parsed;
}

/** Loads the parser, 1.7 MB of WebAssembly: only a lint needs it. */
export async function loadSqlParser(): Promise<SqlParser> {
  const library = await import('libpg-query');
  await library.loadModule();
  return {
    parse: (text) => {
      // The library refuses the empty string, which PostgreSQL accepts.
      if (text === '') return [];
      try {
        return (library.parseSync(text).stmts ?? []).flatMap(toParsed);
      } catch (error) {
        return { message: messageOf(error), codePoint: cursorOf(error) };
      }
    },
    scan: (text) => {
      try {
        return library.scanSync(text).tokens.map(({ start, end, tokenName }) => ({
          start,
          end,
          isComment: tokenName === 'SQL_COMMENT' || tokenName === 'C_COMMENT',
        }));
      } catch {
        return undefined;
      }
    },
    parsePlpgsql: (statement) => {
      try {
        return library.parsePlPgSQLSync(statement);
      } catch {
        return undefined;
      }
    },
  };
}

function toParsed({ stmt, stmt_location: byte = 0, stmt_len: length }: RawStmt): ParsedStatement[] {
  return stmt ? [{ node: stmt, byte, length }] : [];
}

function cursorOf(error: unknown): number | undefined {
  const details: unknown = error instanceof Object ? Reflect.get(error, 'sqlDetails') : undefined;
  const cursor: unknown = details instanceof Object ? Reflect.get(details, 'cursorPosition') : undefined;
  return typeof cursor === 'number' ? cursor : undefined;
}
