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
    ...{ id, code, subject, severity, text, remedy, sql },
    since: new Date(since).toISOString(),
    firedAt: firedAt === null ? null : new Date(firedAt).toISOString(),
    resolvedAt: resolvedAt === null ? null : new Date(resolvedAt).toISOString(),
    contact: contactOf(code, contacts),
  };
}
