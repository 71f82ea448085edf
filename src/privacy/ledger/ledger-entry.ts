import { isInteger, isNullOr, isOneOf, isRecord, isText } from '../../core/json-guards.js';

/** What happened to a row. */
export const ROW_FATES = ['marked', 'restored', 'deleted', 'anonymized'] as const;
export type RowFate = (typeof ROW_FATES)[number];

/** A line of the ledger: what happened to one row. */
export interface LedgerLine {
  /** With its schema, quoted where PostgreSQL requires it. */
  readonly table: string;
  /**
   * The columns of its primary key, each with its value, or the salted hash of a personal one: PostgreSQL's text of the
   * jsonb, because a bigint is more than a number of JSON.parse.
   */
  readonly key: string;
  readonly what: RowFate;
  /** When the row was marked, as its column `deletedAt` says; ISO 8601 with microseconds. */
  readonly at?: string | undefined;
}

/** An action of the ledger. */
export interface LedgerAction {
  readonly id: string;
  /** ISO 8601 with microseconds, by the database's clock. */
  readonly openedAt: string;
  readonly action: string;
  readonly actor: string | null;
  readonly role: string;
}

/**
 * The first line of an action's object. Without the reason: it may name a person, and a copy cannot be blanked when that
 * person is erased.
 */
export interface LedgerHeader extends LedgerAction {
  readonly format: typeof LEDGER_FORMAT;
  readonly database: string;
  readonly environment: string;
  /** The digest of the database's salt: whether keys and values that are made of it can be made again. */
  readonly salt: string;
  /** How many lines follow: a truncated object is recognized. */
  readonly rows: number;
}

export const LEDGER_FORMAT = 'pgkeep-erasures/1';

const isHeader = isRecord<LedgerHeader>({
  format: isOneOf([LEDGER_FORMAT]),
  database: isText,
  environment: isText,
  salt: isText,
  id: isText,
  openedAt: isText,
  action: isText,
  actor: isNullOr(isText),
  role: isText,
  rows: isInteger,
});

const isLine = isRecord<Omit<LedgerLine, 'at'>>({ table: isText, key: isText, what: isOneOf(ROW_FATES) });

/** An action with its lines. */
export interface LedgerEntry {
  readonly action: LedgerAction;
  readonly lines: readonly LedgerLine[];
}

/** An action as one storage holds it. */
export interface StoredEntry extends LedgerEntry {
  readonly action: LedgerHeader;
}

/** Returns one line of an object. */
export function printLine(line: LedgerHeader | LedgerLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Parses an action's object; undefined if it is incomplete, or of a later version. */
export function parseEntry(text: string): StoredEntry | undefined {
  try {
    const [header, ...lines]: unknown[] = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    if (!isHeader(header) || lines.length !== header.rows) return undefined;
    const parsed = lines.flatMap((line) => (isLine(line) ? [withTime(line)] : []));
    return parsed.length === lines.length ? { action: header, lines: parsed } : undefined;
  } catch {
    return undefined;
  }
}

function withTime(line: Omit<LedgerLine, 'at'>): LedgerLine {
  const at: unknown = Reflect.get(line, 'at');
  return { table: line.table, key: line.key, what: line.what, ...(isText(at) && { at }) };
}

/** Returns lines by their tables. */
export function byTable(lines: readonly LedgerLine[]): Map<string, LedgerLine[]> {
  const tables = new Map<string, LedgerLine[]>();
  for (const line of lines) {
    const ofTable = tables.get(line.table);
    if (ofTable) ofTable.push(line);
    else tables.set(line.table, [line]);
  }
  return tables;
}
