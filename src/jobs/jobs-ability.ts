import { escapeIdentifier } from 'pg';
import { PgkeepError } from '../core/errors.js';

/** Whether this role can run jobs in this database. */
export type JobsAbility =
  | { readonly kind: 'able' }
  | { readonly kind: 'not-installed' }
  /** The role may not write the tables. */
  | { readonly kind: 'denied'; readonly role: string };

type Inability = Exclude<JobsAbility, { kind: 'able' }>;

/** Makes the error for a database in which jobs cannot run. @param operation completes "Cannot …" */
export function unableError(operation: string, ability: Inability): PgkeepError {
  const { message, hint } = whyUnable(ability);
  const code = ability.kind === 'not-installed' ? 'NOT_INSTALLED' : 'DATABASE_PERMISSION_DENIED';
  return new PgkeepError(code, `Cannot ${operation}: ${message}.`, { hint });
}

/** Explains why jobs cannot run: the end of a sentence, and the next step. */
export function whyUnable(ability: Inability): { message: string; hint: string } {
  if (ability.kind === 'not-installed') {
    return {
      message: 'the database has no tables pgkeep.job and pgkeep.job_run',
      hint: 'Run `pgkeep install`.',
    };
  }
  const role = escapeIdentifier(ability.role);
  return {
    message: `role ${role} may not write pgkeep.job and pgkeep.job_run`,
    hint: `Run as the owner of the schema: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.job, pgkeep.job_run TO ${role};`,
  };
}
