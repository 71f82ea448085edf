import type { ParsedStatement, SqlParser } from './sql-parser.js';
import type { Statement } from './rule.js';
import type { SourceText } from './source-text.js';

/** White space and comments; block comments nest. @returns the index behind them. */
export function skipBlank(text: string, from: number): number {
  let index = from;
  for (;;) {
    if (/\s/.test(text[index] ?? '')) index += 1;
    else if (text.startsWith('--', index)) index = endOfLine(text, index);
    else if (text.startsWith('/*', index)) index = endOfBlockComment(text, index);
    else return index;
  }
}

/** The statements of a file, with their places in it. */
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

/** Statements out of a piece of text that stands in a file somewhere: their places all are where it begins. */
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
