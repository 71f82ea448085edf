import { alertId, uuidOf } from './alert-ids.js';
import {
  DATABASE_DOWN,
  FLAPPING_CLEAR_MS,
  FLAPPING_FIRINGS,
  FLAPPING_WINDOW_MS,
  isSent,
  REMEMBERED_MS,
  repeatOf,
  ruleOf,
  type SendingRules,
} from './alert-rules.js';
import type { Alert, AlertEvent, AlertFinding, Found, Silencing } from './alert.types.js';

/** The alerts that are known, by their id. */
export type Alerts = ReadonlyMap<string, Alert>;

/** What a step depends on beside the alerts and what was found. */
export interface StepContext {
  /** In ms since 1970. */
  readonly now: number;
  readonly rules: SendingRules;
  readonly silences: readonly Silencing[];
}

/** The alerts after a step, and what receivers should be notified of, the worst first. */
export interface Step {
  readonly alerts: Alerts;
  readonly events: readonly AlertEvent[];
}

/** The result for one alert: undefined where it is forgotten. */
interface Change {
  readonly alert: Alert | undefined;
  readonly event?: AlertEvent;
}

/**
 * Decides what changes for each alert: found for long enough it fires, gone for long enough it is resolved. Worse, and
 * still there after a while, it is sent again. Pure: the same alerts, findings and time make the same alerts and events,
 * on every replica.
 *
 * While the database is down, nothing is known of the other alerts: they stay as they are.
 */
export function step(alerts: Alerts, { findings, unseen }: Found, context: StepContext): Step {
  const isDown = findings.some(({ code }) => code === DATABASE_DOWN);
  const held = (code: string): boolean => isDown && code !== DATABASE_DOWN;
  const found = new Map(
    findings.filter(({ code }) => !held(code)).map((finding) => [alertId(finding), finding] as const),
  );
  const next = new Map(alerts);
  const events: AlertEvent[] = [];
  for (const id of new Set([...found.keys(), ...alerts.keys()])) {
    const known = notLater(alerts.get(id), context.now);
    const finding = found.get(id);
    if (known && !finding && (held(known.code) || unseen.has(known.code))) continue;
    const { alert, event } = finding
      ? whileFound(known ?? newAlert(id, finding, context.now), finding, context)
      : known
        ? whileGone(known, context)
        : { alert: undefined };
    if (alert) next.set(id, alert);
    else next.delete(id);
    if (event) events.push(event);
  }
  return { alerts: next, events: events.toSorted(bySeverity) };
}

/** Returns until when alerts like this one are silenced; undefined if they are not. */
export function silencedUntil(
  { code, subject }: Pick<AlertFinding, 'code' | 'subject'>,
  { silences, now }: Pick<StepContext, 'silences' | 'now'>,
): number | undefined {
  const ends = silences
    .filter((silence) => silence.code === code && (silence.subject === null || silence.subject === subject))
    .map(({ until }) => until)
    .filter((until) => until > now);
  return ends.length === 0 ? undefined : Math.max(...ends);
}

/** Returns an alert without times in the future: the database's clock was set back, and no wait should last until then. */
function notLater(alert: Alert | undefined, now: number): Alert | undefined {
  if (!alert) return undefined;
  const { since, notifiedAt, clearSince } = alert;
  if (Math.max(since, notifiedAt ?? 0, clearSince ?? 0) <= now) return alert;
  return {
    ...alert,
    since: Math.min(since, now),
    notifiedAt: notifiedAt === null ? null : Math.min(notifiedAt, now),
    clearSince: clearSince === null ? null : Math.min(clearSince, now),
  };
}

function newAlert(id: string, finding: AlertFinding, now: number): Alert {
  return { ...resolvedAlert(id, finding, uuidOf(id, now)), since: now };
}

/** Returns an alert that has never fired. */
export function resolvedAlert(id: string, finding: AlertFinding, episode: string): Alert {
  const { code, severity, subject, text, remedy, sql } = finding;
  return {
    id,
    code,
    severity,
    subject,
    text,
    remedy,
    sql,
    episode,
    state: 'resolved',
    since: 0,
    firedAt: null,
    resolvedAt: null,
    clearSince: null,
    notifiedAt: null,
    notifiedSeverity: null,
    notifications: 0,
    firings: [],
  };
}

function whileFound(known: Alert, finding: AlertFinding, context: StepContext): Change {
  const { now } = context;
  const { severity, text, remedy, sql } = finding;
  const current = { ...known, severity, text, remedy, sql, clearSince: null };
  const waiting: Alert =
    known.state === 'resolved'
      ? { ...current, state: 'pending', since: now, firedAt: null, resolvedAt: null }
      : current;
  const fires = waiting.state === 'pending' && now - waiting.since >= ruleOf(waiting.code).forMs;
  const alert: Alert = fires
    ? { ...waiting, state: 'firing', firedAt: now, firings: [...recentFirings(waiting, now), now] }
    : waiting;
  const event = alert.state === 'firing' ? dueEvent(alert, context) : undefined;
  if (event === undefined) return { alert };
  const notified: Alert = {
    ...alert,
    notifiedAt: now,
    notifiedSeverity: severity,
    notifications: alert.notifications + 1,
  };
  return { alert: notified, event: eventOf(event, notified) };
}

/** Returns what an alert that fires has to send now. */
function dueEvent(
  { code, subject, severity, notifiedAt, notifiedSeverity }: Alert,
  context: StepContext,
): 'firing' | 'repeat' | undefined {
  if (!isSent(severity, context.rules)) return undefined;
  if (silencedUntil({ code, subject }, context) !== undefined) return undefined;
  if (notifiedAt === null) return 'firing';
  if (severity === 'critical' && notifiedSeverity !== 'critical') return 'firing';
  return context.now - notifiedAt >= repeatOf(severity, context.rules) ? 'repeat' : undefined;
}

function whileGone(known: Alert, { now }: StepContext): Change {
  if (known.state === 'resolved') return isForgotten(known, now) ? { alert: undefined } : { alert: known };
  const recent = recentFirings(known, now);
  if (known.state === 'pending') {
    const isKept = recent.length > 0 || known.code === DATABASE_DOWN;
    return { alert: isKept ? { ...known, state: 'resolved', resolvedAt: now } : undefined };
  }
  const clearSince = known.clearSince ?? now;
  const { clearMs } = ruleOf(known.code);
  const calmMs = recent.length >= FLAPPING_FIRINGS ? Math.max(clearMs, FLAPPING_CLEAR_MS) : clearMs;
  if (now - clearSince < calmMs) return { alert: { ...known, clearSince } };
  const ended: Alert = { ...known, state: 'resolved', resolvedAt: now, clearSince: null };
  const wasSent = known.notifiedAt !== null;
  const event = wasSent
    ? eventOf('resolved', { ...ended, notifications: known.notifications + 1 })
    : undefined;
  // The next firing is another episode, whose messages have other ids.
  const alert: Alert = {
    ...ended,
    notifiedAt: null,
    notifiedSeverity: null,
    notifications: 0,
    episode: uuidOf(known.episode, 'next'),
  };
  return { alert, ...(event && { event }) };
}

/** The alert of the database stays: every replica must know the episode that comes next while it is still up. */
function isForgotten({ code, resolvedAt }: Alert, now: number): boolean {
  return code !== DATABASE_DOWN && now - (resolvedAt ?? 0) > REMEMBERED_MS;
}

function recentFirings({ firings }: Alert, now: number): number[] {
  return firings.filter((at) => now - at < FLAPPING_WINDOW_MS);
}

function eventOf(event: AlertEvent['event'], alert: Alert): AlertEvent {
  return { id: uuidOf(alert.episode, alert.notifications), event, alert };
}

function bySeverity(left: AlertEvent, right: AlertEvent): number {
  const rank = ({ alert }: AlertEvent): number => (alert.severity === 'critical' ? 0 : 1);
  return rank(left) - rank(right) || left.alert.since - right.alert.since;
}
