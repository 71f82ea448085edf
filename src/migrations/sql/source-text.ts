/** A place as users count: line and column from 1, the column in code points. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

interface Line {
  readonly byte: number;
  readonly index: number;
}

const BYTE_ORDER_MARK = '\uFEFF';

/**
 * A file's text and its places. The parser counts in bytes of UTF-8, its syntax errors in code points, JavaScript in
 * UTF-16 units, users in lines and columns.
 */
export class SourceText {
  /** Without a byte order mark. */
  readonly text: string;
  readonly hasByteOrderMark: boolean;
  private readonly lines: readonly Line[];

  constructor(content: string) {
    this.hasByteOrderMark = content.startsWith(BYTE_ORDER_MARK);
    this.text = this.hasByteOrderMark ? content.slice(1) : content;
    this.lines = linesOf(this.text);
  }

  /** Returns the index into `text` of a byte of its UTF-8. */
  indexOfByte(byte: number): number {
    const line = this.lines[this.lineNumber((start) => start.byte <= byte)];
    if (!line) return 0;
    const piece = this.text.slice(line.index, line.index + (byte - line.byte));
    const isAscii = Buffer.byteLength(piece) === piece.length;
    if (isAscii) return line.index + piece.length;
    return (
      line.index +
      Buffer.from(piece)
        .subarray(0, byte - line.byte)
        .toString().length
    );
  }

  /** Returns the index into `text` of a code point. */
  indexOfCodePoint(count: number): number {
    let index = 0;
    for (let seen = 0; seen < count && index < this.text.length; seen += 1)
      index += widthAt(this.text, index);
    return index;
  }

  position(index: number): Position {
    const number = this.lineNumber((start) => start.index <= index);
    const start = this.lines[number]?.index ?? 0;
    return { line: number + 1, column: Array.from(this.text.slice(start, index)).length + 1 };
  }

  /** Returns the index into `text` of a byte of a line, which is counted from 1. */
  indexInLine(line: number, byte: number): number {
    const start = this.lines[line - 1];
    return start ? this.indexOfByte(start.byte + byte) : this.text.length;
  }

  /** Returns the text of a line, counted from 1, without its end. */
  line(number: number): string {
    const from = this.lines[number - 1]?.index ?? this.text.length;
    const to = this.lines[number]?.index ?? this.text.length;
    return this.text.slice(from, to).replace(/\r?\n$/, '');
  }

  /** Returns the last line for which `isBefore` is true, by bisection. */
  private lineNumber(isBefore: (start: Line) => boolean): number {
    let low = 0;
    let high = this.lines.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const line = this.lines[middle];
      if (line && isBefore(line)) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [{ byte: 0, index: 0 }];
  let byte = 0;
  for (let index = 0; ;) {
    const end = text.indexOf('\n', index);
    if (end === -1) return lines;
    byte += Buffer.byteLength(text.slice(index, end + 1));
    index = end + 1;
    lines.push({ byte, index });
  }
}

function widthAt(text: string, index: number): number {
  return (text.codePointAt(index) ?? 0) > 0xff_ff ? 2 : 1;
}

/** Returns a file's text, or why PostgreSQL cannot read it. */
export function readText(content: Uint8Array | string): SourceText | string {
  const text = typeof content === 'string' ? content : decode(content);
  if (text === undefined) {
    return 'The file is not UTF-8 text, but UTF-16 (as PowerShell writes it) or another encoding. PostgreSQL refuses it.';
  }
  if (text.includes('\0'))
    return 'The file contains a NUL byte. PostgreSQL refuses it, or reads only what is before it.';
  return new SourceText(text);
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
