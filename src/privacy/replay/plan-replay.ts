import { counted } from '../../core/text.js';
import type { LedgerEntry } from '../ledger/ledger-entry.js';

/** A row to mark again. */
export interface MarkReplay {
  readonly key: string;
  /** ISO 8601. */
  readonly at: string;
  readonly actor: string | null;
  /** The action that marked it. */
  readonly action: string;
}

/** What happened to the rows of one table; each row is in one of the first three lists at most. */
export interface TableReplay {
  /** Its name in the ledger. */
  readonly table: string;
  readonly marked: readonly MarkReplay[];
  readonly restored: readonly string[];
  readonly deleted: readonly string[];
  /** Also rows that were marked or restored later. */
  readonly anonymized: readonly string[];
}

interface Fate {
  mark: MarkReplay | 'restored' | undefined;
  isAnonymized: boolean;
  isDeleted: boolean;
}

/**
 * Returns what happened to each row, table by table: what counts is the newest mark, and an erasure whatever came after.
 * Pure.
 */
export function planReplay(entries: readonly LedgerEntry[]): TableReplay[] {
  const tables = new Map<string, Map<string, Fate>>();
  for (const { action: of, lines } of entries.toSorted(oldestFirst)) {
    for (const { table, key, what, at } of lines) {
      const rows = tables.get(table) ?? new Map<string, Fate>();
      tables.set(table, rows);
      const fate = rows.get(key) ?? { mark: undefined, isAnonymized: false, isDeleted: false };
      rows.set(key, fate);
      if (what === 'deleted') fate.isDeleted = true;
      else if (what === 'anonymized') fate.isAnonymized = true;
      else
        fate.mark =
          what === 'restored'
            ? 'restored'
            : { key, at: at ?? of.openedAt, actor: of.actor, action: of.action };
    }
  }
  return [...tables].map(([table, rows]) => tableReplay(table, [...rows]));
}

function tableReplay(table: string, rows: readonly (readonly [string, Fate])[]): TableReplay {
  const staying = rows.filter(([, { isDeleted }]) => !isDeleted);
  const keys = (of: typeof rows): string[] => of.map(([key]) => key);
  return {
    table,
    deleted: keys(rows.filter(([, { isDeleted }]) => isDeleted)),
    anonymized: keys(staying.filter(([, { isAnonymized }]) => isAnonymized)),
    restored: keys(staying.filter(([, { mark }]) => mark === 'restored')),
    marked: staying.flatMap(([, { mark }]) => (typeof mark === 'object' ? [mark] : [])),
  };
}

function oldestFirst({ action: left }: LedgerEntry, { action: right }: LedgerEntry): number {
  const [a, b] = [`${left.openedAt} ${left.id}`, `${right.openedAt} ${right.id}`];
  return a < b ? -1 : Number(a > b);
}

/** How many rows an action, or a replay, concerned. */
export interface ErasureCounts {
  readonly actions: number;
  readonly deleted: number;
  readonly anonymized: number;
  readonly marked: number;
  readonly restored: number;
}

/** What was erased since a backup, and would be erased again by its restore. */
export interface ErasuresSince extends ErasureCounts {
  /** How many people were deleted or anonymized; null if it is not known which tables have people. */
  readonly people: number | null;
}

/**
 * Returns how many rows entries concern. Pure.
 * @param subjects the names in the ledger of the tables whose rows are people; undefined if that is not known
 */
export function countErasures(
  entries: readonly LedgerEntry[],
  subjects: ReadonlySet<string> | undefined,
): ErasuresSince {
  const plan = planReplay(entries);
  const people = plan.filter(({ table }) => subjects?.has(table));
  const sum = (of: (table: TableReplay) => readonly unknown[]): number =>
    plan.reduce((total, table) => total + of(table).length, 0);
  return {
    actions: entries.length,
    deleted: sum(({ deleted }) => deleted),
    anonymized: sum(({ anonymized }) => anonymized),
    marked: sum(({ marked }) => marked),
    restored: sum(({ restored }) => restored),
    people:
      subjects === undefined
        ? null
        : people.reduce((all, { deleted, anonymized }) => all + deleted.length + anonymized.length, 0),
  };
}

/** Returns `2 people: 3 rows deleted, 1 anonymized`. */
export function erasuresSinceText(erasures: ErasuresSince): string {
  const { people } = erasures;
  const who = people === null || people === 0 ? '' : `${counted(people, 'person', 'people')}: `;
  return `${who}${erasureText(erasures)}`;
}

const WORDS = ['deleted', 'anonymized', 'marked', 'restored'] as const;

/** Returns counts as text: `3 rows deleted, 1 anonymized`. */
export function erasureText(counts: Omit<ErasureCounts, 'actions'>): string {
  const parts = WORDS.filter((word) => counts[word] > 0).map(
    (word, index) =>
      `${counts[word].toLocaleString('en-US')}${index === 0 ? (counts[word] === 1 ? ' row' : ' rows') : ''} ${word}`,
  );
  return parts.length === 0 ? 'no row' : parts.join(', ');
}
