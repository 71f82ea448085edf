import type { HttpReceiver } from '../config/alert-receivers.js';
import { send } from './http-request.js';
import { oneLine, sqlLines } from './notice-text.js';
import type { Notice, NoticedAlert, Notifier } from './notifier.types.js';

/** An alert that is not sent again within this time counts as resolved there, in ms. */
const LIFETIME_MS = 240_000;

/**
 * Posts alerts to Prometheus' Alertmanager (API v2). It expects everything that fires again and again: an alert that is
 * not repeated resolves by itself.
 */
export class AlertmanagerNotifier implements Notifier {
  readonly receives = 'state';

  constructor(
    readonly name: string,
    private readonly receiver: HttpReceiver,
  ) {}

  async deliver(notice: Notice, now: Date, signal: AbortSignal): Promise<void> {
    const url = new URL(this.receiver.url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v2/alerts`;
    await send({
      name: this.name,
      receiver: { ...this.receiver, url: url.href },
      method: 'POST',
      body: JSON.stringify(notice.alerts.map((alert) => documentOf(alert, notice, now))),
      signal,
    });
  }
}

/** The labels are the identity: a number or a text that changes would make another alert, and the first never resolves. */
function documentOf(alert: NoticedAlert, { database, environment, link }: Notice, now: Date): object {
  const { code, subject, severity, text, remedy, sql, contact, since, firedAt, resolvedAt } = alert;
  return {
    labels: {
      alertname: code,
      database: oneLine(database),
      environment,
      ...(subject !== '' && { subject: oneLine(subject) }),
    },
    annotations: {
      summary: oneLine(text),
      description: oneLine(remedy),
      severity,
      ...(sql !== null && { sql: sqlLines(sql) }),
      ...(contact !== null && { contact: oneLine(contact) }),
    },
    startsAt: firedAt ?? since,
    endsAt: resolvedAt ?? new Date(now.getTime() + LIFETIME_MS).toISOString(),
    ...(link !== null && { generatorURL: link }),
  };
}
