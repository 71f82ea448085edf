import type { EmergencyContact } from '../config/alert-receivers.js';
import type { Notice, NoticedAlert } from '../notifiers/notifier.types.js';
import { uuidOf } from './alert-ids.js';
import type { Alert, AlertEvent } from './alert.types.js';
import { contactOf } from './contacts.js';
import type { Alerts } from './step.js';

/** What every message says of the database. */
export interface About {
  readonly database: string;
  readonly environment: string;
  readonly link: string | null;
  readonly contacts: readonly EmergencyContact[];
}

/** More alerts that change in the same moment make one message. */
const MOST_MESSAGES = 5;

/** Returns the messages for what happened in one step: one for each event, or one for many. Pure. */
export function noticesOf(events: readonly AlertEvent[], alerts: Alerts, about: About): Notice[] {
  const stillFiring = [...alerts.values()].filter(({ state }) => state === 'firing').length;
  return (['firing', 'repeat', 'resolved'] as const).flatMap((event) => {
    const ofKind = events.filter((one) => one.event === event);
    const groups = ofKind.length > MOST_MESSAGES ? [ofKind] : ofKind.map((one) => [one]);
    return groups.flatMap((group) => {
      const [first, ...others] = group.map(({ alert }) => noticedAlert(alert, about));
      if (!first) return [];
      const ids = group.map(({ id }) => id);
      const notice: Notice = {
        id: ids.length === 1 ? (ids[0] ?? '') : uuidOf(...ids),
        event,
        database: about.database,
        environment: about.environment,
        alerts: [first, ...others],
        stillFiring,
        link: about.link,
      };
      return [notice];
    });
  });
}

/** Returns an alert as receivers see it. */
export function noticedAlert(alert: Alert, { contacts }: Pick<About, 'contacts'>): NoticedAlert {
  const { id, code, subject, severity, text, remedy, sql, since, firedAt, resolvedAt } = alert;
  return {
    id,
    code,
    subject,
    severity,
    text,
    remedy,
    sql,
    since: new Date(since).toISOString(),
    firedAt: firedAt === null ? null : new Date(firedAt).toISOString(),
    resolvedAt: resolvedAt === null ? null : new Date(resolvedAt).toISOString(),
    contact: contactOf(code, contacts),
  };
}

/** A resolved alert is still shown to receivers of states for this time, in ms: one message may be lost. */
const SHOWN_RESOLVED_MS = 15 * 60_000;

/** Returns everything that was sent as firing, and what was resolved lately; undefined where there is nothing. Pure. */
export function stateNotice(alerts: Alerts, about: About, now: number): Notice | undefined {
  const shown = [...alerts.values()].filter(({ state, notifiedAt, resolvedAt, firedAt }) =>
    state === 'firing'
      ? notifiedAt !== null
      : state === 'resolved' && firedAt !== null && now - (resolvedAt ?? 0) < SHOWN_RESOLVED_MS,
  );
  const [first, ...others] = shown.map((alert) => noticedAlert(alert, about));
  if (!first) return undefined;
  return {
    id: uuidOf('state', now),
    event: 'state',
    database: about.database,
    environment: about.environment,
    alerts: [first, ...others],
    stillFiring: shown.filter(({ state }) => state === 'firing').length,
    link: about.link,
  };
}
