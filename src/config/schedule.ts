import { createRequire } from 'node:module';
import { messageOf } from '../core/errors.js';

/** What switches a schedule off: the job is run by somebody else, such as a Kubernetes CronJob. */
export const NO_SCHEDULE = 'off';

/**
 * Why a cron expression cannot be used, in the words of the very parser that will run it; undefined where it can.
 * The parser is loaded only for a schedule that was given: settings are read at every start.
 */
export function scheduleFault(expression: string): string | undefined {
  if (expression.toLowerCase() === NO_SCHEDULE) return undefined;
  const { CronTime }: typeof import('cron') = createRequire(import.meta.url)('cron');
  try {
    new CronTime(expression, 'UTC').sendAt();
    return undefined;
  } catch (error) {
    const message = messageOf(error);
    return message.startsWith('Something went wrong') ? 'that day never comes' : message;
  }
}
