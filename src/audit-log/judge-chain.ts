import type { ChainRow } from './chain-query.js';
import type { ChainFinding, ChainReport } from './changelog.types.js';

/**
 * Judges what the query found.
 * @param knownHead a head that was kept elsewhere: only with one can a cut tail, or a chain that was written
 *   anew from some entry on, be seen.
 */
export function judgeChain(row: ChainRow, knownHead: string | undefined): ChainReport {
  const findings = [...misfit(row), ...lostHead(row, knownHead), ...guardsOff(row)];
  const { entries, head, known_head: knownHeadSeq } = row;
  const verdict = findings.length === 0 ? 'whole' : 'broken';
  return { verdict, entries, head, knownHead: knownHeadSeq, findings };
}

/** Only the first: whatever comes after it hangs in the air. */
function misfit({ seq, previous_seq: previous, changed }: ChainRow): ChainFinding[] {
  if (seq === null || previous === null) return [];
  if (seq > previous + 1) {
    const text = `entry ${previous + 1} is missing: entry ${seq} ${previous === 0 ? 'is the first' : `comes after entry ${previous}`}`;
    return [{ code: 'ENTRY_MISSING', seq: previous + 1, text }];
  }
  if (changed) {
    const text = `entry ${seq} was changed after it was recorded: its hash is not that of its contents`;
    return [{ code: 'ENTRY_CHANGED', seq, text }];
  }
  if (seq <= previous) return [{ code: 'ENTRY_REPEATED', seq, text: `entry ${seq} is there more than once` }];
  const text =
    seq === 1
      ? 'entry 1 names an entry before it: what was recorded first is gone'
      : `entry ${seq} does not continue entry ${previous}: entry ${previous} is not the one that was recorded`;
  return [{ code: 'ENTRY_REPLACED', seq, text }];
}

function lostHead({ known_head: seq }: ChainRow, knownHead: string | undefined): ChainFinding[] {
  if (knownHead === undefined || seq !== null) return [];
  const text = `no entry has the hash ${knownHead}: the newest entries were cut off, or the record was written anew`;
  return [{ code: 'HEAD_NOT_FOUND', seq: null, text }];
}

function guardsOff({ guards_off: names }: ChainRow): ChainFinding[] {
  if (names.length === 0) return [];
  const text = `the record is not protected: trigger ${names.join(', ')} of pgkeep.change_log is missing or not enabled always`;
  return [{ code: 'GUARD_OFF', seq: null, text }];
}
