import { counted, printableCell } from '../../core/text.js';
import { redactQuery } from '../../postgres/redact-query.js';
import { defineProbe, type NewFinding, type ProbeContext } from '../probe.js';
import { durationText } from '../probe-sql.js';

interface Row {
  readonly pid: number;
  readonly application: string;
  /** Null where the role may not see it. */
  readonly state: string | null;
  readonly waits_for_lock: boolean;
  readonly transaction_seconds: number | null;
  readonly statement_seconds: number | null;
  readonly state_seconds: number | null;
  readonly blocked_by: readonly number[];
  readonly statement: string | null;
}

const CODES = {
  BLOCKED: {
    meaning: 'Sessions have waited for the lock of another one for more than 10 s; critical after 60 s.',
    remedy: 'End the session that holds the lock, then find out why it keeps it.',
  },
  IDLE_IN_TRANSACTION: {
    meaning:
      'A session has held a transaction open for 5 minutes without doing anything; critical after an hour.',
    remedy:
      'Find the code that waits for something inside a transaction. While it is open, no dead row can be removed.',
  },
  QUERY_LONG: {
    meaning: 'One statement has run longer than DB_QUERY_TIME_THRESHOLD without waiting for a lock.',
    remedy: 'EXPLAIN it. Cancel it if no result is expected of it.',
  },
} as const;

type Code = keyof typeof CODES;

const IDLE_WARNING_S = 300;
const IDLE_CRITICAL_S = 3600;
const BLOCKED_WARNING_S = 10;
const BLOCKED_CRITICAL_S = 60;
/** Statements that take their time by nature. */
const LONG_BY_NATURE =
  /^\s*(COPY|VACUUM|ANALYZE|CREATE\s+(UNIQUE\s+)?INDEX|REINDEX|CLUSTER|START_REPLICATION)\b/i;

/** Finds sessions that block others, hold a transaction open, or run one statement for long. */
export const busySessions = defineProbe<Row, Code>({
  name: 'busy-sessions',
  tier: 'sample',
  cost: '1 ms, and 1 ms for each session that waits for a lock',
  needs: 'pg_monitor, for other roles’ sessions',
  codes: CODES,
  sql: () => `
    WITH waiting AS MATERIALIZED (
      SELECT a.pid, pg_catalog.pg_blocking_pids(a.pid) AS blocked_by
        FROM pg_catalog.pg_stat_activity a WHERE a.wait_event_type = 'Lock' LIMIT 100)
    SELECT a.pid, coalesce(nullif(a.application_name, ''), a.usename::text, 'pid ' || a.pid) AS application, a.state,
           coalesce(a.wait_event_type = 'Lock', false) AS waits_for_lock,
           extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
           extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::float8 AS statement_seconds,
           extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8 AS state_seconds,
           coalesce(w.blocked_by, '{}') AS blocked_by, pg_catalog.left(a.query, 400) AS statement
      FROM pg_catalog.pg_stat_activity a
      LEFT JOIN waiting w ON w.pid = a.pid
     WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend'
       AND (a.state <> 'idle' OR a.pid IN (SELECT pg_catalog.unnest(x.blocked_by) FROM waiting x))
     ORDER BY a.xact_start NULLS LAST LIMIT 200`,
  judge: (rows, context) => {
    const holders = new Set(rows.flatMap(({ blocked_by: blockedBy }) => blockedBy));
    return {
      findings: [
        ...blockedFindings(rows),
        // A session that blocks others is reported once, as the cause.
        ...rows.filter(({ pid }) => !holders.has(pid)).flatMap((row) => busyFindings(row, context)),
      ],
    };
  },
});

function busyFindings(row: Row, { thresholds }: ProbeContext<Row>): NewFinding<Code>[] {
  const { pid, state, state_seconds: idle, statement_seconds: running, transaction_seconds: open } = row;
  const application = printableCell(row.application);
  if (state?.startsWith('idle in transaction') && (idle ?? 0) > IDLE_WARNING_S) {
    return [
      {
        code: 'IDLE_IN_TRANSACTION',
        severity: (idle ?? 0) > IDLE_CRITICAL_S ? 'critical' : 'warning',
        subject: application,
        text: `${application} has held a transaction open for ${durationText(open ?? 0)} and does nothing${lastStatement(row)}`,
        sql: `SELECT pg_terminate_backend(${pid});`,
      },
    ];
  }
  const isLong = state === 'active' && (running ?? 0) * 1000 > thresholds.queryTimeMs && !row.waits_for_lock;
  if (!isLong || LONG_BY_NATURE.test(row.statement ?? '') || application.startsWith('pg_dump')) return [];
  return [
    {
      code: 'QUERY_LONG',
      severity: 'warning',
      subject: application,
      text: `${application} has run one statement for ${durationText(running ?? 0)}${lastStatement(row)}`,
      sql: `SELECT pg_cancel_backend(${pid});`,
    },
  ];
}

/** Returns one finding for each session at the root of a chain of waiting ones. */
function blockedFindings(rows: readonly Row[]): NewFinding<Code>[] {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const waiting = rows.filter(({ blocked_by: blockedBy }) => blockedBy.length > 0);
  const waitingFor = new Map<number, Row[]>();
  for (const row of waiting) {
    for (const root of rootsOf(row, byPid)) waitingFor.set(root, [...(waitingFor.get(root) ?? []), row]);
  }
  return [...waitingFor].flatMap(([pid, behind]) => {
    const longest = Math.max(...behind.map((row) => row.statement_seconds ?? 0));
    if (longest <= BLOCKED_WARNING_S) return [];
    const root = byPid.get(pid);
    // Pid 0 stands for a prepared transaction.
    const holder = root
      ? printableCell(root.application)
      : pid === 0
        ? 'a prepared transaction'
        : `pid ${pid}`;
    return [
      {
        code: 'BLOCKED' as const,
        severity: longest > BLOCKED_CRITICAL_S ? ('critical' as const) : ('warning' as const),
        subject: holder,
        text: `${holder} blocks ${counted(behind.length, 'session')}, the longest for ${durationText(longest)}${root ? lastStatement(root) : ''}`,
        ...(pid > 0
          ? { sql: `SELECT pg_terminate_backend(${pid});` }
          : { sql: 'SELECT gid, prepared, owner FROM pg_prepared_xacts ORDER BY prepared;' }),
      },
    ];
  });
}

/** Returns the sessions that a session waits for and that wait for none themselves. */
function rootsOf(row: Row, byPid: ReadonlyMap<number, Row>): ReadonlySet<number> {
  const roots = new Set<number>();
  const seen = new Set([row.pid]);
  const open = [...row.blocked_by];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    if (seen.has(pid)) continue;
    seen.add(pid);
    const next = byPid.get(pid)?.blocked_by ?? [];
    if (next.length === 0) roots.add(pid);
    else open.push(...next);
  }
  return roots;
}

function lastStatement({ statement }: Row): string {
  const text = redactQuery(statement ?? '');
  return text === '' ? '' : `: ${text}`;
}
