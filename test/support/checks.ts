import { expect } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { readSettings } from '../../src/config/read-settings.js';
import type { ServerState } from '../../src/readiness/readiness.types.js';
import type { CheckContext } from '../../src/readiness/check.js';
import { CHECK_NAMES, type CheckName } from '../../src/readiness/checks.js';
import type { Facts } from '../../src/readiness/readiness.types.js';

/** Returns the expected `checks` of a verdict: every check that exists, with these results among them. */
export function everyCheck(expected: Partial<Record<CheckName, unknown>>): Record<string, unknown> {
  return { ...Object.fromEntries(CHECK_NAMES.map((name) => [name, expect.any(Object)])), ...expected };
}

export const NOW = new Date('2026-06-07T12:00:00Z');

/** Settings that every check accepts in production. */
const SAFE: Environment = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://u@h/db?sslmode=verify-full',
  DATABASE_MAX_CONNECTIONS: '20',
  BACKUP_ENABLED: 'true',
  BACKUP_RETENTION_DAYS: '30',
  LAST_BACKUP_RESTORE_TEST_DATE: '2026-05-26',
};

/** Facts of a server that every check accepts in production. */
export const SERVER: ServerState = {
  version: '15.18',
  database: 'db',
  role: 'u',
  latencyMs: 2,
  inRecovery: false,
  readOnly: false,
  maxConnections: 100,
  reservedConnections: 3,
  tls: { protocol: 'TLSv1.3', serverSeesTls: true, behindProxy: false },
  ddlGuard: 'on',
  isSuperuser: false,
};

const NOT_ASKED = {
  reason: { code: 'CHECK_FAILED', text: 'not asked', hint: '', isUnanswered: true },
} as const;

/** Returns the input of a check: safe settings, and only these facts. */
export function contextOf(facts: Partial<Facts>, environment: Environment = {}): CheckContext {
  return {
    settings: readSettings({ ...SAFE, ...environment }),
    facts: {
      server: NOT_ASKED,
      environment: NOT_ASKED,
      migrations: NOT_ASKED,
      policy: NOT_ASKED,
      application: {},
      evidence: undefined,
      backups: undefined,
      ...facts,
    },
    now: NOW,
  };
}
