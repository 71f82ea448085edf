import type { Webhook, WebhookKind } from '../config/alert-receivers.js';
import { discordBody } from './discord.js';
import { genericBody, signatureHeaders } from './generic.js';
import { send } from './http-request.js';
import type { Notice, Notifier } from './notifier.types.js';
import { pagerdutyEvents } from './pagerduty.js';
import { slackBody } from './slack.js';
import { teamsBody } from './teams.js';

/** Returns the documents that a kind of webhook receives for a notice, in their order. */
const BODIES: Readonly<Record<WebhookKind, (notice: Notice, user: string) => readonly object[]>> = {
  generic: (notice) => [genericBody(notice)],
  slack: (notice) => [slackBody(notice)],
  teams: (notice) => [teamsBody(notice)],
  discord: (notice) => [discordBody(notice)],
  pagerduty: pagerdutyEvents,
};

/** Posts notices to a webhook, in the format of its kind. */
export class WebhookNotifier implements Notifier {
  readonly receives = 'changes';

  constructor(
    readonly name: string,
    private readonly webhook: Webhook,
    /** Signs what a `generic` webhook receives. */
    private readonly secret?: string,
  ) {}

  async deliver(notice: Notice, now: Date, signal: AbortSignal): Promise<void> {
    const { kind, url, credentials } = this.webhook;
    const isOwnFormat = kind === 'generic';
    for (const document of BODIES[kind](notice, credentials?.user ?? '')) {
      const body = JSON.stringify(document);
      await send({
        name: this.name,
        // PagerDuty's key is in the document.
        receiver: { url, credentials: kind === 'pagerduty' ? undefined : credentials },
        method: 'POST',
        body,
        headers: isOwnFormat
          ? signatureHeaders({ id: notice.id, body, now }, this.secret)
          : { 'idempotency-key': notice.id },
        signal,
      });
    }
  }
}
