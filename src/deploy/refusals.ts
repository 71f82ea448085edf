import { PgkeepError, type ErrorCode } from '../core/errors.js';

/** Makes the error of a refusal; `why` completes "Refused to deploy: …". */
export type Refuse = (why: string, hint?: string) => PgkeepError;

export const refused: Refuse = refusing('DEPLOY_REFUSED', 'deploy');
export const rollbackRefused: Refuse = refusing('ROLLBACK_REFUSED', 'roll back');
export const resolveRefused: Refuse = refusing('RESOLVE_REFUSED', 'resolve');

function refusing(code: ErrorCode, operation: string): Refuse {
  return (why, hint) =>
    new PgkeepError(code, `Refused to ${operation}: ${why}. Nothing was touched.`, {
      ...(hint !== undefined && { hint }),
    });
}
