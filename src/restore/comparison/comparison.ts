import { boundedList } from '../../core/text.js';

/** One thing that a restored database was compared in. */
export interface Comparison {
  readonly name: ComparisonName;
  readonly ok: boolean;
  /** What was found, in one line; what differs, by name. */
  readonly details: string;
  /** What differs, as no restore can avoid it (docs/backup-comparison.md); it fails nothing. */
  readonly reported: readonly string[];
  /** What is lost or wrong, each by the name that `pgkeep restore --despite` takes. Empty where `ok`. */
  readonly findings: readonly Finding[];
}

/** One thing that a restored database lacks or has otherwise than the backup. */
export interface Finding {
  /** `indexes:public.ledger_amount` */
  readonly name: string;
  readonly details: string;
}

/** What a restore is compared in, in the order that reports show. */
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

/** One table, expected and found. */
export interface TableComparison {
  readonly name: string;
  /** Null: the backup has no such table. */
  readonly expectedRows: number | null;
  /** Null: the restored database has no such table, or it was not reached. */
  readonly foundRows: number | null;
  readonly sameContents: boolean;
  /** Why it differs, where no restore can avoid it. Absent where it does not differ, or that is a finding. */
  readonly reported?: string | undefined;
}

/** How many names one line of details shows. */
const SHOWN = 5;

/** A comparison's verdict: a finding fails it, what is only reported does not. */
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

/** A comparison that failed as one, and names nothing in particular. */
export function failedComparison(name: ComparisonName, details: string): Comparison {
  return judged(name, '', { findings: [{ name, details }] });
}

/** A finding about one object. */
export function finding(comparison: ComparisonName, subject: string, details: string): Finding {
  return { name: `${comparison}:${subject}`, details };
}

/** Returns texts for a sentence: the first few of many. */
export function joined(texts: readonly string[]): string {
  return boundedList(texts, SHOWN, '; ');
}
