import { boundedList } from '../../core/text.js';

/** One comparison of a restored database with its backup, or one step before it. */
export interface Comparison {
  readonly name: ComparisonName;
  readonly ok: boolean;
  /** The result in one line; what differs, by name. */
  readonly details: string;
  /** Differences that no restore can avoid (docs/backup-comparison.md); they fail nothing. */
  readonly reported: readonly string[];
  /** What is missing or wrong, each by the name that `pgkeep restore --despite` takes. Empty if `ok`. */
  readonly findings: readonly Finding[];
}

/** One object or row set that is missing in the restored database, or differs from the backup. */
export interface Finding {
  /** `indexes:public.ledger_amount` */
  readonly name: string;
  readonly details: string;
}

/** The comparisons, in the order of reports. */
export type ComparisonName =
  | 'archive'
  | 'restore'
  | 'tables'
  | 'rows'
  | 'contents'
  | 'relations'
  | 'columns'
  | 'constraints'
  | 'indexes'
  | 'triggers'
  | 'rowSecurity'
  | 'extensions'
  | 'sequences'
  | 'foreignKeys'
  | 'migrations';

/** One table as expected and as found. */
export interface TableComparison {
  readonly name: string;
  /** Null if the backup has no such table. */
  readonly expectedRows: number | null;
  /** Null if the restored database has no such table, or the comparison ended before it. */
  readonly foundRows: number | null;
  readonly sameContents: boolean;
  /** Why it differs, if no restore can avoid it. Absent if it does not differ, or the difference is a finding. */
  readonly reported?: string | undefined;
}

/** How many differences one line of details lists. */
const SHOWN = 5;

/** Returns the verdict of a comparison: a finding fails it, a reported difference does not. */
export function judged(
  name: ComparisonName,
  sound: string,
  { reported = [], findings = [] }: Partial<Pick<Comparison, 'reported' | 'findings'>> = {},
): Comparison {
  const details =
    findings.length === 0
      ? [sound, ...(reported.length > 0 ? [joined(reported)] : [])].join('; ')
      : joined(findings.map((found) => found.details));
  return { name, ok: findings.length === 0, details, reported, findings };
}

/** Returns a failed comparison that names no object. */
export function failedComparison(name: ComparisonName, details: string): Comparison {
  return judged(name, '', { findings: [{ name, details }] });
}

/** Returns a finding about one object. */
export function finding(comparison: ComparisonName, subject: string, details: string): Finding {
  return { name: `${comparison}:${subject}`, details };
}

/** Joins differences for a line of details: the first five, and how many more there are. */
export function joined(texts: readonly string[]): string {
  return boundedList(texts, SHOWN, '; ');
}
