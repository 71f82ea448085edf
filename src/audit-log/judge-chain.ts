import type { ChainRow } from './chain-query.js';
import type { ChainFinding, ChainReport } from './audit-log.types.js';

/**
 * Judges what the query found.
 * @param knownHead a head that was kept elsewhere: without one, removed newest entries and a chain that
 *   was rewritten from some entry on cannot be detected.
 */
export function judgeChain(row: ChainRow, knownHead: string | undefined): ChainReport {
  const findings = [...misfit(row), ...lostHead(row, knownHead), ...guardsOff(row)];
  const { entries, head, known_head: knownHeadSeq } = row;
  const verdict = findings.length === 0 ? 'whole' : 'broken';
  return { verdict, entries, head, knownHead: knownHeadSeq, findings };
}

/** Only the first one: every entry after it is unproven. */
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
  if (seq <= previous) return [{ code: 'ENTRY_REPEATED', seq, text: `entry ${seq} exists more than once` }];
  const text =
    seq === 1
      ? 'entry 1 refers to an entry before it: the first entries were removed'
      : `entry ${seq} does not continue entry ${previous}: entry ${previous} was replaced`;
  return [{ code: 'ENTRY_REPLACED', seq, text }];
}

function lostHead({ known_head: seq }: ChainRow, knownHead: string | undefined): ChainFinding[] {
  if (knownHead === undefined || seq !== null) return [];
  const text = `no entry has the hash ${knownHead}: the newest entries were removed, or the log was rewritten`;
  return [{ code: 'HEAD_NOT_FOUND', seq: null, text }];
}

function guardsOff({ guards_off: names }: ChainRow): ChainFinding[] {
  if (names.length === 0) return [];
  const text = `the audit log is not protected: trigger ${names.join(', ')} of pgkeep.change_log is missing or not enabled always`;
  return [{ code: 'GUARD_OFF', seq: null, text }];
}
