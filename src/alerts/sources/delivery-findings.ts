import { counted } from '../../core/text.js';
import { ALERT_UNDELIVERED } from '../alert-rules.js';
import type { UndeliveredTo } from '../alert-store.js';
import type { AlertFinding } from '../alert.types.js';

export const DELIVERY_CODES = {
  [ALERT_UNDELIVERED]: {
    meaning:
      'A receiver of alerts has taken nothing for 15 minutes, or a message to it was given up after a day.',
    remedy: 'Run `pgkeep monitor test-alert`, and correct the receiver’s setting.',
  },
} as const;

/** Returns an alert for each receiver that takes nothing; the other receivers get it. Pure. */
export function deliveryFindings(undelivered: readonly UndeliveredTo[]): AlertFinding[] {
  return undelivered.map(({ receiver, due, failed, error }) => {
    const waiting = due === 0 ? [] : [`${counted(due, 'message')} for it ${due === 1 ? 'waits' : 'wait'}`];
    const given =
      failed === 0 ? [] : [`${counted(failed, 'message')} ${failed === 1 ? 'was' : 'were'} given up`];
    return {
      code: ALERT_UNDELIVERED,
      severity: 'warning',
      subject: receiver,
      text: `${receiver} takes no alerts: ${[...waiting, ...given].join(', ')}${error === null ? '' : `. ${error}`}`,
      remedy: DELIVERY_CODES[ALERT_UNDELIVERED].remedy,
      sql: null,
    };
  });
}
