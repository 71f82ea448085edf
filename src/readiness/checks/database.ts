import { Injectable } from '@nestjs/common';
import type { DatabaseFaultCode } from '../../postgres/database-fault.js';
import { defineCheck, outcomeOf, type CheckContext, type CheckOutcome, type CodeText } from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const CODES = {
  DATABASE_UNREACHABLE: {
    meaning: 'Nothing answers at that host and port, or the server is shutting down.',
    remedy: 'Check host, port and firewall, and that the server runs.',
  },
  DATABASE_TIMEOUT: {
    meaning: 'The database answers too slowly, or not at all.',
    remedy: 'See in `pg_stat_activity` what keeps it busy.',
  },
  DATABASE_AUTHENTICATION_FAILED: {
    meaning: 'The user or password is wrong, or `pg_hba.conf` rejects the connection.',
    remedy: 'Correct the URL, or the rule of the server.',
  },
  DATABASE_NOT_FOUND: {
    meaning: 'There is no database of that name.',
    remedy: 'Create it, or correct the URL.',
  },
  DATABASE_TLS_FAILED: {
    meaning: 'The server offers no TLS, or its certificate is expired, unknown or for another host.',
    remedy: 'Check `sslmode` and `sslrootcert` against the server’s certificate.',
  },
  DATABASE_TOO_MANY_CONNECTIONS: {
    meaning: '`max_connections` is used up.',
    remedy: 'Lower `DATABASE_MAX_CONNECTIONS` of the clients, or raise `max_connections`.',
  },
  DATABASE_IN_RECOVERY: {
    meaning: 'The server is a replica.',
    remedy:
      'Point `DATABASE_URL` at the primary, or add `target_session_attrs=read-write` to a list of hosts.',
  },
  DATABASE_READ_ONLY: {
    meaning: 'The server is read-only (`default_transaction_read_only` is on).',
    remedy: 'Switch that off, or point `DATABASE_URL` at the primary.',
  },
} as const satisfies Record<Exclude<DatabaseFaultCode, 'CHECK_FAILED'> | 'DATABASE_IN_RECOVERY', CodeText>;

/** Reports the check `database` in an application's own health check. */
@Injectable()
export class DatabaseHealthIndicator extends CheckHealthIndicator {
  readonly name = 'database';
}

export const database = defineCheck({
  name: 'database',
  question: 'Does the primary answer?',
  gate: 'enforce',
  restsOn: 'server',
  codes: CODES,
  indicator: DatabaseHealthIndicator,
  judge,
});

function judge({ facts: { server } }: CheckContext): CheckOutcome<keyof typeof CODES | 'CHECK_FAILED'> {
  if ('reason' in server) {
    const { code, text, hint } = server.reason;
    return outcomeOf('', { failing: [{ code, text: `No usable database connection: ${text}. ${hint}` }] });
  }
  const { version, latencyMs, inRecovery, readOnly } = server.value;
  const summary = `PostgreSQL ${version}, ${latencyMs} ms`;
  if (inRecovery) {
    const text =
      'The server is a read-only replica (in recovery), not the primary: point DATABASE_URL at the primary';
    return outcomeOf(summary, { failing: [{ code: 'DATABASE_IN_RECOVERY', text }] });
  }
  if (readOnly) {
    const text =
      'The server is read-only (default_transaction_read_only = on): switch that off, or point DATABASE_URL at the primary';
    return outcomeOf(summary, { failing: [{ code: 'DATABASE_READ_ONLY', text }] });
  }
  return outcomeOf(summary, { failing: [] });
}
