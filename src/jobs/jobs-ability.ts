import { escapeIdentifier } from 'pg';
import { PgkeepError } from '../core/errors.js';

/** Whether this role can run jobs in this database. */
export type JobsAbility =
  | { readonly kind: 'able' }
  | { readonly kind: 'not-installed' }
  /** The role may not write the tables. */
  | { readonly kind: 'denied'; readonly role: string };

type Inability = Exclude<JobsAbility, { kind: 'able' }>;

/** Why jobs cannot run in this database, and the command or grant to give; `operation` completes "Cannot …". */
export function notAble(operation: string, ability: Inability): PgkeepError {
  const { message, hint } = inabilityText(ability);
  const code = ability.kind === 'not-installed' ? 'NOT_INSTALLED' : 'DATABASE_PERMISSION_DENIED';
  return new PgkeepError(code, `Cannot ${operation}: ${message}.`, { hint });
}

/** The same as a sentence's end and a next step. */
export function inabilityText(ability: Inability): { message: string; hint: string } {
  if (ability.kind === 'not-installed') {
    return {
      message: 'the database has no tables pgkeep.job and pgkeep.job_run',
      hint: 'Run `pgkeep install`.',
    };
  }
  const role = escapeIdentifier(ability.role);
  return {
    message: `role ${role} may not write pgkeep.job and pgkeep.job_run`,
    hint: `Give the grant: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.job, pgkeep.job_run TO ${role};`,
  };
}
