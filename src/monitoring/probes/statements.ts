import { escapeIdentifier } from 'pg';
import { errorCode } from '../../core/errors.js';
import { MARK } from '../../postgres/mark.js';
import { redactQuery } from '../../postgres/redact-query.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { Vitals } from '../monitoring.types.js';
import { defineProbe, perSecond, type ProbeContext } from '../probe.js';

interface Row {
  readonly calls: number | null;
  readonly total_ms: number | null;
  readonly slowest: readonly {
    readonly statement: string | null;
    readonly calls: number;
    readonly total_ms: number;
  }[];
}

/** Versions of the extension: with `total_exec_time`, and with `toplevel`. */
const FIRST_WITH_EXEC_TIME = 108;
const FIRST_WITH_TOPLEVEL = 109;

const CODES = {
  STATEMENTS_UNKNOWN: {
    meaning:
      'pg_stat_statements is not installed in the database, or not loaded by the server, so slow statements are not known.',
    remedy: 'Add it to shared_preload_libraries, restart the server, then create the extension.',
  },
} as const;

/** Longer than the longest column of a terminal, shorter than a page. */
const SHOWN = 200;

/**
 * Reads which statements take the server's time, without their literals and without pgkeep's own: those with its mark,
 * and those of its schema, which its migrations and triggers send.
 */
export const statements = defineProbe<Row, keyof typeof CODES>({
  name: 'statements',
  tier: 'minute',
  cost: '3 ms; the server reads the file that holds the texts of all statements',
  needs: 'pg_monitor, for other roles’ statements',
  codes: CODES,
  hasRates: true,
  sql: ({ statementsSchema, statementsVersion }) => {
    if (statementsSchema === null)
      return 'SELECT NULL::float8 AS calls, NULL::float8 AS total_ms, NULL AS slowest WHERE false';
    const source = `${escapeIdentifier(statementsSchema)}.pg_stat_statements`;
    const own = `s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
                 ${statementsVersion >= FIRST_WITH_TOPLEVEL ? 'AND s.toplevel' : ''}`;
    const time = statementsVersion >= FIRST_WITH_EXEC_TIME ? 's.total_exec_time' : 's.total_time';
    return `
      WITH statement AS MATERIALIZED (
        SELECT min(s.query) AS text, sum(s.calls)::float8 AS calls, sum(${time})::float8 AS total_ms
          FROM ${source} s
         WHERE ${own} AND s.query NOT LIKE '${MARK.trim()}%'
           AND pg_catalog.strpos(pg_catalog.replace(s.query, '"', ''), 'pgkeep.') = 0
         GROUP BY s.queryid)
      SELECT sum(s.calls) AS calls, sum(s.total_ms) AS total_ms,
             (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
                SELECT pg_catalog.left(t.text, 2000) AS statement, t.calls, t.total_ms
                  FROM statement t ORDER BY 3 DESC LIMIT 10) x) AS slowest
        FROM statement s`;
  },
  explain: (error) =>
    errorCode(error) === SQLSTATE.objectNotInPrerequisiteState
      ? {
          findings: [
            {
              code: 'STATEMENTS_UNKNOWN',
              severity: 'info',
              text: 'Slow statements are not known: pg_stat_statements is installed, but the server does not load it',
              remedy: 'Add it to shared_preload_libraries, then restart the server.',
            },
          ],
        }
      : undefined,
  judge: ([row], context) => {
    if (!row) {
      return {
        findings:
          context.server.statementsSchema === null
            ? [
                {
                  code: 'STATEMENTS_UNKNOWN',
                  severity: 'info',
                  text: 'Slow statements are not known: pg_stat_statements is not installed in this database',
                  sql: 'CREATE EXTENSION pg_stat_statements;',
                },
              ]
            : [],
      };
    }
    const total = row.total_ms ?? 0;
    return {
      vitals: ratesOf(row, context),
      counters: { statements: row.calls ?? 0, statementsMs: total },
      statements: row.slowest.map(({ statement, calls, total_ms: ms }) => ({
        statement: statement === null ? 'not shown to this role' : redactQuery(statement, SHOWN),
        calls,
        meanMs: calls > 0 ? ms / calls : 0,
        share: total > 0 ? ms / total : 0,
      })),
    };
  },
});

/** Returns rates since the sample before; none if the statistics were reset. */
function ratesOf(row: Row, { before, elapsedSeconds }: ProbeContext<Row>): Partial<Vitals> {
  const [then] = before ?? [];
  if (!then) return {};
  const calls = perSecond(row.calls ?? 0, then.calls ?? 0, elapsedSeconds);
  const spentMs = perSecond(row.total_ms ?? 0, then.total_ms ?? 0, elapsedSeconds);
  if (calls === null || spentMs === null) return {};
  return { statementsPerSecond: calls, meanStatementMs: calls > 0 ? spentMs / calls : null };
}
