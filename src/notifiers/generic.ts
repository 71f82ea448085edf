import { createHmac } from 'node:crypto';
import { oneLine, shownAlerts, sqlLines } from './notice-text.js';
import type { Notice, NoticedAlert } from './notifier.types.js';

/** Returns pgkeep's own document of a notice; docs/alerts.md describes it. */
export function genericBody(notice: Notice): object {
  const { id, event, database, environment, alerts, stillFiring, link } = notice;
  const { shown, omitted } = shownAlerts(notice);
  const documents = shown.map(documentOf);
  return {
    version: 1,
    id,
    event,
    database: oneLine(database),
    environment,
    alert: documents[0],
    alerts: documents,
    omitted,
    stillFiring,
    contact: alerts[0].contact,
    link,
  };
}

function documentOf(alert: NoticedAlert): object {
  return {
    ...alert,
    subject: oneLine(alert.subject),
    text: oneLine(alert.text),
    sql: alert.sql === null ? null : sqlLines(alert.sql),
  };
}

/** Returns the headers of the Standard Webhooks specification; the signature covers id, time and body. */
export function signatureHeaders(
  { id, body, now }: { id: string; body: string; now: Date },
  secret: string | undefined,
): Record<string, string> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const headers = { 'idempotency-key': id, 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (secret === undefined) return headers;
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${signature}` };
}

/** A secret with the specification's prefix is base64; any other is used as it is. */
function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
}
