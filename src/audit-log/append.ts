import type { NewEntry } from './changelog.types.js';

/** An INSERT as a pure plan, for whatever transaction the deed itself is done in. */
export interface AppendPlan {
  readonly sql: string;
  readonly values: readonly string[];
}

/**
 * The statement that records a deed. Number, time, role and hash are the database's to give. Make it the last of
 * its transaction: from here to the commit every other writer waits.
 */
export function appendPlan({ deed, subject, details, actor }: NewEntry): AppendPlan {
  return {
    sql: 'INSERT INTO pgkeep.change_log (deed, subject, details, actor) VALUES ($1, $2, $3::jsonb, $4)',
    values: [deed, subject, JSON.stringify(details), actor],
  };
}
