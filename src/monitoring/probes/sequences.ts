import { counted, identifier } from '../../core/text.js';
import { defineProbe, type NewFinding } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { LOCKED_RELATIONS, nameOf } from '../probe-sql.js';

interface Row {
  readonly schema: string;
  readonly sequence: string;
  /** Null if the sequence belongs to no column. */
  readonly table: string | null;
  readonly column: string | null;
  readonly type: string | null;
  readonly last: number | null;
  readonly limit: number;
  readonly readable: boolean;
}

/** Reported by a forecast, too. */
export const IDS_RUN_OUT = {
  meaning:
    'An integer key has used 75 % of its numbers, or will have used all of them within 180 days; critical from 90 %, and within 30 days. At the end every INSERT fails.',
  remedy: 'Make the column bigint. `pgkeep migrate lint` says how to do that without a long lock.',
} as const;

const CODES = {
  IDS_RUN_OUT,
  SEQUENCES_HIDDEN: {
    meaning: 'The role cannot read sequences, so it cannot be seen whether their numbers run out.',
    remedy: 'Grant it SELECT on them, or the role pg_read_all_data.',
  },
} as const;

type Code = keyof typeof CODES;

export const REPORTED_SHARE = 0.75;
const CRITICAL = 0.9;

/**
 * Reading a sequence locks it until the transaction ends, and the server has room for some thousand locks of all sessions.
 * So many are read: those whose tables have the most rows for their limit.
 */
const MOST_READ = 500;

/** Finds integer keys near their end. Opens the sequences that can end, but not one that is locked. */
export const sequences = defineProbe<Row, Code>({
  name: 'sequences',
  tier: 'hour',
  cost: '1 ms; 95 ms with 10,000 tables, of which it reads 500 sequences',
  needs: 'SELECT on the sequences',
  codes: CODES,
  sql: ({ inRecovery }) =>
    inRecovery
      ? undefined
      : `
    WITH locked AS MATERIALIZED (${LOCKED_RELATIONS}),
    ending AS MATERIALIZED (
      SELECT q.seqrelid, a.attrelid, a.attname, a.atttypid,
             least(q.seqmax, CASE a.atttypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 ELSE 9223372036854775807 END) AS limit
        FROM pg_catalog.pg_sequence q
        LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = q.seqrelid
             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
       WHERE q.seqincrement > 0 AND NOT q.seqcycle AND q.seqrelid NOT IN (SELECT relation FROM locked)),
    fullest AS MATERIALIZED (
      SELECT e.* FROM ending e LEFT JOIN pg_catalog.pg_class c ON c.oid = e.attrelid
       WHERE e.limit < 9223372036854775807
       ORDER BY greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(e.attrelid)) / e.limit DESC NULLS LAST, e.seqrelid
       LIMIT ${MOST_READ}),
    used AS MATERIALIZED (
      SELECT e.*, r.readable, CASE WHEN r.readable THEN pg_catalog.pg_sequence_last_value(e.seqrelid) END AS last
        FROM fullest e, LATERAL (SELECT pg_catalog.has_sequence_privilege(e.seqrelid, 'SELECT, USAGE') AS readable) r)
    SELECT n.nspname AS schema, s.relname AS sequence, t.relname AS table, u.attname AS column,
           pg_catalog.format_type(u.atttypid, NULL) AS type, u.last::float8 AS last, u.limit::float8 AS limit, u.readable
      FROM used u
      JOIN pg_catalog.pg_class s ON s.oid = u.seqrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
      LEFT JOIN pg_catalog.pg_class t ON t.oid = u.attrelid
     WHERE ${IS_OF_APPLICATION} AND (NOT u.readable OR u.last >= ${REPORTED_SHARE} * u.limit OR u.seqrelid = (
       SELECT w.seqrelid FROM used w WHERE w.last IS NOT NULL ORDER BY w.last::float8 / w.limit DESC, 1 LIMIT 1))
     ORDER BY u.last::float8 / u.limit DESC NULLS LAST, 1, 2 LIMIT 100`,
  judge: (rows) => {
    const hidden = rows.filter(({ readable }) => !readable).length;
    const read = rows.filter(({ readable }) => readable);
    const [fullest] = read;
    return {
      ...(fullest && {
        fullestKey: { name: subjectOf(fullest), share: shareOf(fullest) },
        vitals: { idsUsed: shareOf(fullest) },
      }),
      findings: [
        ...read.filter((row) => shareOf(row) >= REPORTED_SHARE).map((row) => endingFinding(row)),
        ...(hidden > 0
          ? [
              {
                code: 'SEQUENCES_HIDDEN' as const,
                severity: 'info' as const,
                text: `${counted(hidden, 'sequence')} cannot be read by this role`,
              },
            ]
          : []),
      ],
    };
  },
});

function shareOf({ last, limit }: Row): number {
  return (last ?? 0) / limit;
}

/** Returns the column that a sequence fills, or the sequence itself. */
function subjectOf({ schema, sequence, table, column }: Row): string {
  if (table === null || column === null) return nameOf({ schema, name: sequence });
  return `${nameOf({ schema, name: table })}.${identifier(column)}`;
}

function endingFinding(row: Row): NewFinding<Code> {
  const { table, column, type } = row;
  const used = shareOf(row);
  const subject = subjectOf(row);
  const severity = used >= CRITICAL ? 'critical' : 'warning';
  const percent = Math.floor(used * 100);
  if (table === null || column === null) {
    return {
      code: 'IDS_RUN_OUT',
      severity,
      subject,
      text: `Sequence ${subject} has used ${percent} % of its numbers`,
      remedy: 'Raise the maximum of the sequence, and make the columns that it fills bigint.',
    };
  }
  return {
    code: 'IDS_RUN_OUT',
    severity,
    subject,
    text: `${subject} (${type ?? 'integer'}) has used ${percent} % of its numbers`,
  };
}
