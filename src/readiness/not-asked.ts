import type { DatabaseFault } from '../postgres/database-fault.js';
import { outcomeOf } from './outcome.js';
import type { CheckOutcome } from './readiness.types.js';

/** A check whose facts could not be had fails: what is not known to be safe is not safe. */
export function notAsked({ code, text }: DatabaseFault): CheckOutcome {
  return outcomeOf('', { failing: [{ code, text: `Not known: ${text}` }] });
}
