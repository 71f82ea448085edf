import { escapeIdentifier } from 'pg';
import { formatCount } from '../../core/text.js';
import type { SessionCounts } from '../monitoring.types.js';
import { defineProbe, type NewFinding, type ProbeContext } from '../probe.js';

interface Row {
  readonly total: number;
  readonly own: number;
  readonly active: number;
  readonly idle: number;
  readonly idle_in_transaction: number;
  readonly waiting: number;
  readonly oldest_transaction: number | null;
  readonly longest_statement: number | null;
  readonly limit: number;
  readonly applications: readonly {
    readonly application: string;
    readonly total: number;
    readonly active: number;
  }[];
}

const CODES = {
  CONNECTIONS_EXHAUSTED: {
    meaning: 'At least 95 % of the connections that ordinary roles can have are taken.',
    remedy: 'Reduce connection_limit of the applications’ pools, or put PgBouncer in front.',
  },
  CONNECTIONS_HIGH: {
    meaning:
      'At least 80 % of the connections are taken, or applications hold more than DB_CONNECTION_COUNT_THRESHOLD.',
    remedy:
      'Find the pool that is too large. If the application needs that many, raise DB_CONNECTION_COUNT_THRESHOLD.',
  },
  STATISTICS_HIDDEN: {
    meaning: 'The role cannot see the sessions and statements of other roles.',
    remedy: 'Grant it pg_monitor.',
  },
} as const;

type Code = keyof typeof CODES;

/** From which share of the connections on, in percent. */
const EXHAUSTED = 95;
const HIGH = 80;

/** Counts the sessions, and who holds them. */
export const sessions = defineProbe<Row, Code>({
  name: 'sessions',
  tier: 'sample',
  cost: '2 ms with 20 sessions, 20 ms with 1,000',
  needs: 'pg_monitor, for what other roles’ sessions do',
  codes: CODES,
  sql: () => `
    SELECT count(*)::int AS total,
           (count(*) FILTER (WHERE a.application_name LIKE 'pgkeep%'))::int AS own,
           (count(*) FILTER (WHERE a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid()))::int AS active,
           (count(*) FILTER (WHERE a.state = 'idle'))::int AS idle,
           (count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'))::int AS idle_in_transaction,
           (count(*) FILTER (WHERE a.wait_event_type = 'Lock'))::int AS waiting,
           max(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::float8 AS oldest_transaction,
           (max(extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start))
              FILTER (WHERE a.state = 'active'))::float8 AS longest_statement,
           pg_catalog.current_setting('max_connections')::int
             - pg_catalog.current_setting('superuser_reserved_connections')::int
             - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) AS limit,
           (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
              SELECT CASE WHEN s.application_name LIKE 'pgkeep%' THEN 'pgkeep'
                          ELSE coalesce(nullif(s.application_name, ''), s.usename::text, '?') END AS application,
                     count(*)::int AS total, (count(*) FILTER (WHERE s.state = 'active'))::int AS active
                FROM pg_catalog.pg_stat_activity s
               WHERE s.backend_type = 'client backend' OR s.backend_type IS NULL
               GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8) x) AS applications
      FROM pg_catalog.pg_stat_activity a
     WHERE a.backend_type = 'client backend' OR a.backend_type IS NULL`,
  judge: ([row], context) => {
    if (!row) return {};
    const counts: SessionCounts = {
      total: row.total,
      limit: row.limit,
      active: row.active,
      idle: row.idle,
      idleInTransaction: row.idle_in_transaction,
      waiting: row.waiting,
      own: row.own,
    };
    return {
      sessions: counts,
      applications: row.applications,
      vitals: {
        oldestTransactionSeconds: row.oldest_transaction ?? 0,
        longestStatementSeconds: row.longest_statement ?? 0,
      },
      findings: [...connectionFindings(counts, context), ...visibilityFindings(context)],
    };
  },
});

function connectionFindings(
  { total, limit, own }: SessionCounts,
  { thresholds }: ProbeContext<Row>,
): NewFinding<Code>[] {
  const percent = (100 * total) / limit;
  const text = `${formatCount(total)} of ${formatCount(limit)} connections are taken`;
  if (percent >= EXHAUSTED) return [{ code: 'CONNECTIONS_EXHAUSTED', severity: 'critical', text }];
  if (percent >= HIGH) return [{ code: 'CONNECTIONS_HIGH', severity: 'warning', text }];
  if (total - own <= thresholds.connectionCount) return [];
  return [
    {
      code: 'CONNECTIONS_HIGH',
      severity: 'warning',
      text: `Applications hold ${formatCount(total - own)} connections; DB_CONNECTION_COUNT_THRESHOLD is ${formatCount(thresholds.connectionCount)}`,
    },
  ];
}

function visibilityFindings({ server }: ProbeContext<Row>): NewFinding<Code>[] {
  if (server.seesAll) return [];
  return [
    {
      code: 'STATISTICS_HIDDEN',
      severity: 'info',
      text: `Role ${server.role} cannot see the sessions and statements of other roles`,
      sql: `GRANT pg_monitor TO ${escapeIdentifier(server.role)};`,
    },
  ];
}
