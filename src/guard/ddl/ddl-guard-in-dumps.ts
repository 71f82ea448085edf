import { DDL_GUARD, DDL_GUARD_TABLES, GUARD_SCHEMA, TRUNCATE_TRIGGER } from './ddl-guard-sql.js';

/**
 * Entries of the DDL guard in `pg_restore --list`. Every restore leaves them out: only a superuser can create event
 * triggers and owns the functions, and it must be possible to drop the tables of a scratch database.
 */
const GUARD_ENTRY = new RegExp(
  [
    `SCHEMA - ${GUARD_SCHEMA} `,
    `FUNCTION ${GUARD_SCHEMA} `,
    `TRIGGER .* ${TRUNCATE_TRIGGER} `,
    `EVENT TRIGGER - (?:${DDL_GUARD}|${DDL_GUARD_TABLES}) `,
    `(?:ACL|COMMENT) (?:- SCHEMA ${GUARD_SCHEMA}|${GUARD_SCHEMA} FUNCTION|- EVENT TRIGGER ${DDL_GUARD})`,
  ]
    .map((entry) => String.raw`^\d+; \d+ \d+ ${entry}`)
    .join('|'),
);

/** The same entries in the comments of a plain dump. */
const GUARD_SECTION = new RegExp(
  [
    `${GUARD_SCHEMA}; Type: SCHEMA;`,
    `.*; Type: FUNCTION; Schema: ${GUARD_SCHEMA};`,
    `.* ${TRUNCATE_TRIGGER}; Type: TRIGGER;`,
    `(?:${DDL_GUARD}|${DDL_GUARD_TABLES}); Type: EVENT TRIGGER;`,
    `(?:SCHEMA ${GUARD_SCHEMA}|EVENT TRIGGER ${DDL_GUARD}); Type: (?:ACL|COMMENT);`,
    `.*; Type: (?:ACL|COMMENT); Schema: ${GUARD_SCHEMA};`,
  ]
    .map((section) => `^-- Name: ${section}`)
    .join('|'),
);

/** The note of a restore, or a restore test, that left the guard out. */
export const GUARD_LEFT_OUT =
  'the DDL guard was not restored (it never is): in production, run `pgkeep install --ddl-guard`';

/** Whether a line of `pg_restore --list` belongs to the DDL guard. Pure. */
export function isGuardEntry(line: string): boolean {
  return GUARD_ENTRY.test(line);
}

/** Whether the comment above an entry of a plain dump belongs to the DDL guard. Pure. */
export function isGuardSection(comment: string): boolean {
  return GUARD_SECTION.test(comment);
}
