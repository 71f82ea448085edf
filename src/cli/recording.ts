import type { Recording } from '../audit-log/audit-log.types.js';

/** A line that says why a action is not in the record; none where it is, or where there was nothing to record. */
export function notRecordedLines({ notRecorded }: Recording): string[] {
  return notRecorded === undefined ? [] : [`Done, but not recorded: ${notRecorded}`];
}
