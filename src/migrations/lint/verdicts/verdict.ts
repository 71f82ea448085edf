/** PostgreSQL's table-level locks, the weakest first. */
export const LOCKS = [
  'none',
  'ACCESS SHARE',
  'ROW EXCLUSIVE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE',
  'SHARE ROW EXCLUSIVE',
  'EXCLUSIVE',
  'ACCESS EXCLUSIVE',
] as const;
export type Lock = (typeof LOCKS)[number];

/** What the lint says about a command. */
export interface Verdict {
  /** As it is written in SQL. */
  readonly sql: string;
  /** The strongest lock on a table that other sessions use. */
  readonly lock: Lock;
  /** The rules that judge it. */
  readonly rules: readonly string[];
  /** Why no rule does, or what the rules leave out. */
  readonly why: string;
}

/** A command that rules judge. */
export function judged(sql: string, lock: Lock, ...rules: string[]): Verdict {
  return { sql, lock, rules, why: '' };
}

/** A command that no rule judges beyond its lock. */
export function left(sql: string, lock: Lock, why: string): Verdict {
  return { sql, lock, rules: [], why };
}

/** Whether a lock keeps others from reading or writing. */
export function blocksOthers(lock: Lock): boolean {
  return LOCKS.indexOf(lock) >= LOCKS.indexOf('SHARE');
}
