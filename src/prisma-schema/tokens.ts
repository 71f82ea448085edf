/** A token of Prisma's schema language. */
export interface Token {
  /** `doc` is the text of a `///` comment; other comments are left out. */
  readonly kind: 'word' | 'string' | 'punctuation' | 'doc' | 'newline';
  /** A string without its quotes, with its escapes resolved. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** Strings, comments, words (numbers and negative numbers are words), line breaks; anything else is punctuation. */
const TOKEN =
  /"((?:\\.|[^"\\\n])*)"|\/\/\/([^\n]*)|\/\/[^\n]*|\/\*[\s\S]*?\*\/|([\p{L}\p{N}_-]+)|(\n)|[ \t\r]+|([^\s])/gu;

/** Splits a schema into tokens. It accepts any text: what is not Prisma's language is found by Prisma itself. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  for (const match of text.matchAll(TOKEN)) {
    const [all, string, doc, word, newline, punctuation] = match;
    if (string !== undefined) tokens.push({ kind: 'string', text: unescaped(string), line });
    else if (doc !== undefined) tokens.push({ kind: 'doc', text: doc.trim(), line });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, line });
    else if (newline !== undefined) tokens.push({ kind: 'newline', text: newline, line });
    else if (punctuation !== undefined) tokens.push({ kind: 'punctuation', text: punctuation, line });
    line += all.split('\n').length - 1;
  }
  return tokens;
}

/** Resolves the escapes of a string, which are those of JSON. */
function unescaped(string: string): string {
  try {
    const value: unknown = JSON.parse(`"${string}"`);
    return typeof value === 'string' ? value : string;
  } catch {
    return string;
  }
}
