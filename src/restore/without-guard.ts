import { withoutSections } from './archive/dump-filters.js';

/**
 * pgkeep's DDL guard is left out of every restore: only a superuser may make event triggers, its functions belong to
 * one, and a scratch database must be dropped again. `pgkeep install --ddl-guard` brings it back.
 */
const GUARD_ENTRY = new RegExp(
  [
    'SCHEMA - pgkeep_guard ',
    'FUNCTION pgkeep_guard ',
    'TRIGGER .* pgkeep_ddl_guard ',
    'EVENT TRIGGER - pgkeep_ddl_guard(?:_tables)? ',
    '(?:ACL|COMMENT) (?:- SCHEMA pgkeep_guard|pgkeep_guard FUNCTION|- EVENT TRIGGER pgkeep_ddl_guard)',
  ]
    .map((entry) => String.raw`^\d+; \d+ \d+ ${entry}`)
    .join('|'),
);

/** The same in the comment that a plain dump has above each. */
const GUARD_SECTION = new RegExp(
  [
    'pgkeep_guard; Type: SCHEMA;',
    '.*; Type: FUNCTION; Schema: pgkeep_guard;',
    '.* pgkeep_ddl_guard; Type: TRIGGER;',
    'pgkeep_ddl_guard(?:_tables)?; Type: EVENT TRIGGER;',
    '(?:SCHEMA pgkeep_guard|EVENT TRIGGER pgkeep_ddl_guard); Type: (?:ACL|COMMENT);',
    '.*; Type: (?:ACL|COMMENT); Schema: pgkeep_guard;',
  ]
    .map((section) => `^-- Name: ${section}`)
    .join('|'),
);
/** For the notes of a restore, and of the evidence. */
export const GUARD_LEFT_OUT =
  'the DDL guard was left out, as of every restore: in production, `pgkeep install --ddl-guard` brings it back';

/** Whether a line of `pg_restore --list` is the DDL guard's. Pure. */
export function isGuardEntry(line: string): boolean {
  return GUARD_ENTRY.test(line);
}

/** Whether the comment above an entry of a plain dump is the DDL guard's. Pure. */
export function isGuardSection(comment: string): boolean {
  return GUARD_SECTION.test(comment);
}

/** A plain dump without the DDL guard. @param onFound called once, where there is one */
export async function* withoutGuard(
  dump: AsyncIterable<Buffer>,
  onFound: () => void,
): AsyncGenerator<Buffer> {
  yield* withoutSections(dump, isGuardSection, onFound);
}
