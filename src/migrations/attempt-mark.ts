/** How pgkeep ran an attempt. */
export type AttemptCourse =
  /** The script and the end of its row in the history were one transaction. */
  | { readonly kind: 'transaction' }
  /** One statement after the other; `applied_steps_count` counts those that are applied. */
  | { readonly kind: 'statements'; readonly total: number }
  /** The parser could not read the file: PostgreSQL got it as one query. */
  | { readonly kind: 'query' };

const STATEMENTS = /^pgkeep: (\d+) statements?, one by one$/;
const MARKS = { transaction: 'pgkeep: one transaction', query: 'pgkeep: one query' } as const;

/** The first line of an attempt's `logs`: stock Prisma prints it, and pgkeep knows its own attempts by it. Pure. */
export function markOf(course: AttemptCourse): string {
  if (course.kind !== 'statements') return MARKS[course.kind];
  return `pgkeep: ${course.total} ${course.total === 1 ? 'statement' : 'statements'}, one by one`;
}

/** What an attempt's `logs` say of how it was run; undefined where pgkeep did not run it. Pure. */
export function courseOfLogs(logs: string | null): AttemptCourse | undefined {
  const [mark = ''] = (logs ?? '').split('\n');
  const total = STATEMENTS.exec(mark)?.[1];
  if (total !== undefined) return { kind: 'statements', total: Number(total) };
  if (mark === MARKS.transaction) return { kind: 'transaction' };
  return mark === MARKS.query ? { kind: 'query' } : undefined;
}
