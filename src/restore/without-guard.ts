import type { Readable } from 'node:stream';

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
const SECTION = /^-- (?:Data for )?Name: |^-- PostgreSQL database dump complete/;
/** Rows follow, up to the closing line: nothing in them is a comment. The table's name may have lines of its own. */
const ROWS_FOLLOW = / FROM stdin;$/;
const END_OF_ROWS = '\n\\.\n';
const NEWLINE = 0x0a;

/** For the notes of a restore, and of the evidence. */
export const GUARD_LEFT_OUT =
  'the DDL guard was left out, as of every restore: in production, `pgkeep install --ddl-guard` brings it back';

/** Whether a line of `pg_restore --list` is the DDL guard's. Pure. */
export function isGuardEntry(line: string): boolean {
  return GUARD_ENTRY.test(line);
}

/** A plain dump without the DDL guard. @param onFound called once, where there is one */
export async function* withoutGuard(dump: Readable, onFound: () => void): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  let inRows = false;
  let isGuard = false;
  let wasFound = false;
  for await (const chunk of dump) {
    rest = Buffer.concat([rest, Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)]);
    for (;;) {
      if (inRows) {
        const end = rest.indexOf(END_OF_ROWS);
        // The closing line may be cut by the chunk.
        const known = end === -1 ? rest.length - END_OF_ROWS.length : end + END_OF_ROWS.length;
        if (known > 0) {
          yield rest.subarray(0, known);
          rest = rest.subarray(known);
        }
        if (end === -1) break;
        inRows = false;
      }
      const end = rest.indexOf(NEWLINE);
      if (end === -1) break;
      const line = rest.toString('latin1', 0, end);
      if (SECTION.test(line)) isGuard = GUARD_SECTION.test(line);
      if (isGuard && !wasFound) onFound();
      wasFound ||= isGuard;
      inRows = !isGuard && ROWS_FOLLOW.test(line);
      // The newline stays in front of the rows, where there may be none. Settings are those of the section behind.
      const taken = inRows ? end : end + 1;
      if (!isGuard || line.startsWith('SET ')) yield rest.subarray(0, taken);
      rest = rest.subarray(taken);
    }
  }
  if (!isGuard) yield rest;
}
