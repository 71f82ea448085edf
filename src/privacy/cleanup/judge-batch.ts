/** What happens to a marked row whose grace period is over. */
export const CLEANUP_FATES = ['delete', 'anonymize', 'keep', 'later'] as const;
export type CleanupFate = (typeof CLEANUP_FATES)[number];

/** A due row of a batch. */
export interface BatchRow {
  /** Its table's oid and its key: `16385 {"id": 5}`. */
  readonly id: string;
  /** Names of what refers to it and stays: tables. */
  readonly referredBy: readonly string[];
  /** Whether something refers to it that another transaction has locked. */
  readonly isBusy: boolean;
  /** Whether its table has personal values that can be replaced. */
  readonly canAnonymize: boolean;
}

/** A due row that refers to another one of the batch. */
export interface BatchReference {
  readonly child: string;
  readonly parent: string;
  /** The table of the child. */
  readonly childName: string;
}

/** What happens to a row, and why it is not deleted. */
export interface JudgedRow {
  readonly id: string;
  readonly fate: CleanupFate;
  readonly because: readonly string[];
}

/**
 * Returns what happens to each row of a batch. A row that something refers to which stays is anonymized, or kept where
 * nothing of it can be; so is what it is referred to by. Where a row is locked elsewhere, everything that hangs
 * together with it waits for the next run: of one person all goes, or nothing. Pure.
 */
export function judgeBatch(rows: readonly BatchRow[], references: readonly BatchReference[]): JudgedRow[] {
  const staying = new Map(
    rows.filter(({ referredBy }) => referredBy.length > 0).map((row) => [row.id, new Set(row.referredBy)]),
  );
  for (let before = -1; before !== staying.size;) {
    before = staying.size;
    for (const { child, parent, childName } of references) {
      if (child === parent || !staying.has(child)) continue;
      staying.set(parent, (staying.get(parent) ?? new Set()).add(childName));
    }
  }
  const waiting = connectedWith(
    rows.filter(({ isBusy }) => isBusy).map(({ id }) => id),
    references,
  );
  return rows.map(({ id, canAnonymize }) => {
    if (waiting.has(id)) return { id, fate: 'later', because: ['another transaction'] };
    const because = [...(staying.get(id) ?? [])];
    if (because.length === 0) return { id, fate: 'delete', because };
    return { id, fate: canAnonymize ? 'anonymize' : 'keep', because };
  });
}

function connectedWith(from: readonly string[], references: readonly BatchReference[]): Set<string> {
  const connected = new Set(from);
  if (connected.size === 0) return connected;
  for (let before = -1; before !== connected.size;) {
    before = connected.size;
    for (const { child, parent } of references) {
      if (connected.has(child)) connected.add(parent);
      else if (connected.has(parent)) connected.add(child);
    }
  }
  return connected;
}
