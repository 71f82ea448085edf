import type { CodeText } from '../readiness/check.js';
import { formatCount } from '../core/text.js';
import type { DatabaseFault } from '../postgres/database-fault.js';
import type { MonitoringFinding } from './monitoring.types.js';
import { sessions } from './probes/sessions.js';

/** What connecting finds by itself, so no probe has it. */
export const CONNECTION_CODES = {
  DATABASE_DOWN: {
    meaning: 'The database takes no connection, or does not answer on one.',
    remedy:
      'Run `pgkeep ping` for the reason. If the server cannot be brought back, restore the newest proven backup.',
  },
  CONNECTION_SLOW: {
    meaning: 'A new connection takes longer than DB_CONNECTION_TIME_THRESHOLD.',
    remedy: 'Look at the server’s load, at DNS, TLS and pg_hba.conf; put a connection pooler in between.',
  },
} as const satisfies Record<string, CodeText>;

/** Returns the finding about a connection that took long. Pure. */
export function slowConnectionFindings(connectMs: number, thresholdMs: number): MonitoringFinding[] {
  if (connectMs < thresholdMs) return [];
  return [
    {
      code: 'CONNECTION_SLOW',
      severity: 'warning',
      subject: '',
      text: `A connection takes ${formatCount(Math.round(connectMs))} ms; DB_CONNECTION_TIME_THRESHOLD is ${formatCount(thresholdMs)} ms`,
      remedy: CONNECTION_CODES.CONNECTION_SLOW.remedy,
      sql: null,
    },
  ];
}

/** Returns the finding about a database that does not answer. Pure. */
export function downFinding(server: string, { text, hint }: DatabaseFault): MonitoringFinding {
  return {
    code: 'DATABASE_DOWN',
    severity: 'critical',
    subject: '',
    text: `${server} does not answer: ${text}`,
    remedy: `${hint} ${CONNECTION_CODES.DATABASE_DOWN.remedy}`,
    sql: null,
  };
}

/** Returns the finding about a server that refuses connections because all of them are taken. Pure. */
export function refusedFinding(server: string): MonitoringFinding {
  return {
    code: 'CONNECTIONS_EXHAUSTED',
    severity: 'critical',
    subject: '',
    text: `${server} refuses connections: all of them are taken`,
    remedy: sessions.codes['CONNECTIONS_EXHAUSTED']?.remedy ?? '',
    sql: null,
  };
}
