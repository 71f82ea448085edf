import type { AlertSeverity } from '../config/alert-settings.js';

/** The code of the alert that holds every other: while the database is down, nothing is known of them. */
export const DATABASE_DOWN = 'DATABASE_DOWN';
/** The code of the alert about receivers that take nothing. */
export const ALERT_UNDELIVERED = 'ALERT_UNDELIVERED';

/** When alerts of a code fire, and when they are over. */
export interface AlertRule {
  /** For how long it must be found before it fires, in ms. */
  readonly forMs: number;
  /** For how long it must not be found before it is resolved, in ms. */
  readonly clearMs: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const DEFAULT: AlertRule = { forMs: MINUTE, clearMs: 2 * MINUTE };
/** What was waited for already, or happened once: there is nothing to wait for. */
const IMMEDIATE: AlertRule = { forMs: 0, clearMs: 2 * MINUTE };

const RULES = new Map<string, AlertRule>([
  [DATABASE_DOWN, { forMs: 30 * SECOND, clearMs: 30 * SECOND }],
  ['BLOCKED', IMMEDIATE],
  ['DATA_CORRUPT', IMMEDIATE],
  ['QUERIES_FAIL', { forMs: 5 * MINUTE, clearMs: 5 * MINUTE }],
  ['TABLE_BLOATED', { forMs: 30 * MINUTE, clearMs: 30 * MINUTE }],
  ['DISK_FILLS', { forMs: HOUR, clearMs: 6 * HOUR }],
  ['JOB_FAILED', IMMEDIATE],
  ['JOB_STUCK', IMMEDIATE],
  ['RESTORE_TEST_FAILED', IMMEDIATE],
  ['GUARD_OVERRIDDEN', IMMEDIATE],
  ['LOGINS_REFUSED', IMMEDIATE],
  [ALERT_UNDELIVERED, IMMEDIATE],
]);

/** Returns when alerts of a code fire, and when they are over. */
export function ruleOf(code: string): AlertRule {
  return RULES.get(code) ?? DEFAULT;
}

/** An alert that fired this often within an hour flaps: it is over only after a longer calm. */
export const FLAPPING_FIRINGS = 3;
export const FLAPPING_WINDOW_MS = HOUR;
export const FLAPPING_CLEAR_MS = 30 * MINUTE;

/** How long a resolved alert is remembered, to recognize that it flaps, in ms. */
export const REMEMBERED_MS = 2 * HOUR;

const DAY = 24 * HOUR;

/** Which alerts are sent, and how often. */
export interface SendingRules {
  readonly minSeverity: AlertSeverity;
  /** After how long a critical alert is sent again, in ms. */
  readonly repeatMs: number;
}

/** Returns after how long an alert that still fires is sent again. */
export function repeatOf(severity: AlertSeverity, { repeatMs }: SendingRules): number {
  return severity === 'critical' ? repeatMs : Math.max(DAY, repeatMs);
}

/** Returns whether alerts of a severity are sent. */
export function isSent(severity: AlertSeverity, { minSeverity }: SendingRules): boolean {
  return severity === 'critical' || minSeverity === 'warning';
}
