import type { AlertSettings } from '../config/settings.js';
import { AlertmanagerNotifier } from './alertmanager.notifier.js';
import { MailNotifier } from './mail.notifier.js';
import type { Notifier } from './notifier.types.js';
import { WebhookNotifier } from './webhook.notifier.js';

/** Returns the receivers that the settings name. Call it for each use: a file with addresses may have changed. */
export function openNotifiers(settings: AlertSettings): Notifier[] {
  const { webhooks, webhookSecret, alertmanagers, smtp, mailFrom, mailTo } = settings;
  const nameOf = numbering();
  return [
    ...webhooks.map((webhook) => new WebhookNotifier(nameOf(webhook.kind), webhook, webhookSecret)),
    ...alertmanagers.map((receiver) => new AlertmanagerNotifier(nameOf('alertmanager'), receiver)),
    ...(smtp && mailFrom !== undefined ? [new MailNotifier(smtp, { from: mailFrom, to: mailTo })] : []),
  ];
}

/** Names the second of a kind `slack-2`: the addresses, which would distinguish them, are secrets. */
function numbering(): (kind: string) => string {
  const counts = new Map<string, number>();
  return (kind) => {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count === 1 ? kind : `${kind}-${count}`;
  };
}
