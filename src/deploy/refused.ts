import { KeepError } from '../errors.js';

/** A guard's no; `why` completes "Refused to deploy: …". */
export function refused(why: string, hint?: string): KeepError {
  return new KeepError('DEPLOY_REFUSED', `Refused to deploy: ${why}. Nothing was touched.`, {
    ...(hint !== undefined && { hint }),
  });
}
