import type { Token } from './tokens.js';

/** A value in an attribute's arguments: a string, a list, or a name with its own arguments, such as `now()` or `name(sort: Desc)`. */
export type Value =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string; readonly args: readonly Argument[] }
  | { readonly kind: 'list'; readonly values: readonly Value[] };

/** `fields: [parentId]`, or `"users"` without a name. */
export interface Argument {
  readonly name: string | undefined;
  readonly value: Value;
}

/** `@map("users")`, `@db.VarChar(16)`, `@@unique([a, b])`: without the `@`. */
export interface Attribute {
  readonly name: string;
  readonly args: readonly Argument[];
}

/** Reads the tokens of one declaration, from left to right. */
export class TokenReader {
  private index = 0;
  private readonly tokens: readonly Token[];

  constructor(tokens: readonly Token[]) {
    // Within a declaration a line break or a comment has no meaning.
    this.tokens = tokens.filter(({ kind }) => kind !== 'newline' && kind !== 'doc');
  }

  get isAtEnd(): boolean {
    return this.index >= this.tokens.length;
  }

  /** Takes the next token if it is this punctuation. */
  take(punctuation: string): boolean {
    const token = this.tokens[this.index];
    if (token?.kind !== 'punctuation' || token.text !== punctuation) return false;
    this.index += 1;
    return true;
  }

  /** Takes the next token if it is a word. */
  word(): string | undefined {
    const token = this.tokens[this.index];
    if (token?.kind !== 'word') return undefined;
    this.index += 1;
    return token.text;
  }

  /** Takes words that dots join: `db.VarChar`. */
  path(): string | undefined {
    const words = [this.word()];
    while (words.at(-1) !== undefined && this.take('.')) words.push(this.word());
    return words[0] === undefined ? undefined : words.filter((word) => word !== undefined).join('.');
  }

  /** Takes the attributes up to the end; what is none is passed over. */
  attributes(): Attribute[] {
    const attributes: Attribute[] = [];
    while (!this.isAtEnd) {
      if (!this.take('@')) {
        this.index += 1;
        continue;
      }
      this.take('@');
      const name = this.path();
      if (name !== undefined) attributes.push({ name, args: this.arguments() });
    }
    return attributes;
  }

  /** Takes arguments in parentheses; none if there are no parentheses. */
  arguments(): Argument[] {
    if (!this.take('(')) return [];
    const args: Argument[] = [];
    while (!this.isAtEnd && !this.take(')')) {
      const before = this.index;
      const value = this.value();
      if (value?.kind === 'name' && this.take(':')) {
        const named = this.value();
        if (named) args.push({ name: value.text, value: named });
      } else if (value) args.push({ name: undefined, value });
      this.take(',');
      if (this.index === before) this.index += 1;
    }
    return args;
  }

  private value(): Value | undefined {
    const token = this.tokens[this.index];
    if (token?.kind === 'string') {
      this.index += 1;
      return { kind: 'string', text: token.text };
    }
    if (this.take('[')) return { kind: 'list', values: this.values(']') };
    if (this.take('{')) return { kind: 'list', values: this.values('}') };
    const text = this.path();
    return text === undefined ? undefined : { kind: 'name', text, args: this.arguments() };
  }

  private values(end: string): Value[] {
    const values: Value[] = [];
    while (!this.isAtEnd && !this.take(end)) {
      const before = this.index;
      const value = this.value();
      if (value) values.push(value);
      if (!this.take(',')) this.take(':');
      if (this.index === before) this.index += 1;
    }
    return values;
  }
}

/** Returns the attribute's argument of a name, or its first one without a name. */
export function argumentOf({ args }: Attribute, name: string): Value | undefined {
  return (args.find((arg) => arg.name === name) ?? args.find((arg) => arg.name === undefined))?.value;
}

/** Returns the names in a list such as `[parentId, name(sort: Desc)]`. */
export function namesIn(value: Value | undefined): string[] {
  if (value?.kind !== 'list') return [];
  return value.values.flatMap((item) => (item.kind === 'name' ? [item.text] : []));
}

/** Returns the text of a string or a name. */
export function textOf(value: Value | undefined): string | undefined {
  return value === undefined || value.kind === 'list' ? undefined : value.text;
}
