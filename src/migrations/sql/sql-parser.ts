import type { Node, RawStmt } from 'libpg-query';
import { messageOf } from '../../core/errors.js';

/** A statement as PostgreSQL's grammar reads it. */
export interface ParsedStatement {
  readonly node: Node;
  /** Where it begins, in bytes, with the white space and comments before it. */
  readonly byte: number;
  /** In bytes; undefined if it extends to the end of the text. */
  readonly length: number | undefined;
}

/** Why a text could not be parsed. */
export interface ParseFault {
  /** PostgreSQL's message. */
  readonly message: string;
  /** In code points; undefined if the parser failed without a place. */
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
  /** Parses the body of a `DO` block or a function as PL/pgSQL; undefined if that fails. */
  readonly parsePlpgsql: (statement: string) => unknown;
  /** Returns the tokens of a text, comments included; undefined if the scanner fails. */
  readonly scan: (text: string) => readonly Token[] | undefined;
}

export function isFault(parsed: readonly ParsedStatement[] | ParseFault): parsed is ParseFault {
  return 'message' in parsed;
}

/** Loads the parser. It is 1.7 MB of WebAssembly, which the service does not need to start. */
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
