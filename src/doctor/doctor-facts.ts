import type { ServerFacts } from '../postgres/server-facts.js';
import type { Verdict } from '../readiness/readiness.types.js';

/** What several lines rest on; read once for all of them. */
export interface DoctorFacts {
  /** The server's answer; undefined where the database was not reached. */
  readonly server: ServerFacts | undefined;
  /** Why it was not reached, and what to do. */
  readonly serverFault: { readonly text: string; readonly next: string | undefined } | undefined;
  /** One evaluation of the readiness checks. */
  readonly verdict: Verdict;
}
