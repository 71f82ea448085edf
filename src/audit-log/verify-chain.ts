import { escapeLiteral } from 'pg';
import { ENTRIES } from './append.js';
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

/** What stands for the hash of the entry before the first. */
const NO_HASH = '0'.repeat(64);

/** The triggers that number and chain the entries, and refuse changes. */
const GUARDS = ['change_log_chain', 'change_log_keep', 'change_log_keep_all'];

/**
 * Finds the first entry that does not fit the chain, the number of entries, the head, and the triggers that are off.
 * It uses built-in functions only, with their schema: a function of the database could have been replaced.
 */
export const CHAIN_QUERY = `
  WITH checked AS (
    SELECT seq, hash,
           hash IS DISTINCT FROM pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
             pg_catalog.jsonb_build_array(
               seq, pg_catalog.to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               entry.action, subject, details, role, actor, previous_hash)::text, 'UTF8')), 'hex') AS changed,
           previous_hash IS DISTINCT FROM pg_catalog.lag(hash, 1, '${NO_HASH}') OVER in_order AS replaced,
           pg_catalog.lag(seq, 1, 0::bigint) OVER in_order AS previous_seq
      FROM ${ENTRIES}
    WINDOW in_order AS (ORDER BY seq)
  ), misfit AS (
    SELECT seq, previous_seq, changed
      FROM checked WHERE seq <> previous_seq + 1 OR changed OR replaced ORDER BY seq LIMIT 1
  )
  SELECT (SELECT pg_catalog.count(*) FROM checked)::float8 AS entries,
         (SELECT hash FROM checked ORDER BY seq DESC LIMIT 1) AS head,
         (SELECT seq FROM checked WHERE hash = $1 LIMIT 1)::float8 AS known_head,
         misfit.seq::float8 AS seq, misfit.previous_seq::float8 AS previous_seq, misfit.changed,
         ARRAY(SELECT guard.name
                 FROM (VALUES ${GUARDS.map((name) => `(${escapeLiteral(name)})`).join(', ')}) guard (name)
                WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                                   WHERE t.tgrelid = 'pgkeep.change_log'::pg_catalog.regclass
                                     AND t.tgname = guard.name AND t.tgenabled = 'A')
                ORDER BY 1) AS guards_off
    FROM (VALUES (1)) one LEFT JOIN misfit ON true`;

/** The one row that the query answers with. */
export interface ChainRow {
  readonly entries: number;
  readonly head: string | null;
  readonly known_head: number | null;
  /** The first entry that does not fit, and the number of the one before it. */
  readonly seq: number | null;
  readonly previous_seq: number | null;
  readonly changed: boolean | null;
  readonly guards_off: readonly string[];
}
