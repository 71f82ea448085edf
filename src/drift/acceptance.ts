import type { ClientBase } from 'pg';
import { mayRecord, recordingDenied } from '../audit-log/append.js';
import type { Json } from '../audit-log/audit-log.types.js';
import type { EnvironmentName } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { readStamp, requireStamp } from '../environment/stamp.js';
import { currentRole, type ReadTimeouts } from '../postgres/read.js';
import { withParts } from './differences.js';
import type { DriftLook, DriftReport } from './drift.types.js';

/** The most objects that are named in the audit log. */
const NAMED = 50;

/**
 * Checks that the structure of this database may be accepted.
 * @throws PgkeepError `DRIFT_REFUSED`, `DATABASE_PERMISSION_DENIED`; what the connection throws.
 */
export async function requireAcceptable(
  client: ClientBase,
  look: DriftLook,
  environment: EnvironmentName,
  timeouts: ReadTimeouts,
): Promise<void> {
  if (look.kind === 'deploying') {
    throw refused(
      'migrations are being deployed',
      'Wait for the deploy to finish: it records the structure itself.',
    );
  }
  const reading = await readStamp(client, timeouts);
  requireStamp(reading, environment, refused);
  if ((await mayRecord(client, timeouts)) === 'denied') {
    throw recordingDenied('accept the structure', await currentRole(client, timeouts));
  }
}

/** Summarizes what is accepted, for the audit log. */
export function summaryOf({ recorded, objects }: DriftReport): { readonly [name: string]: Json | undefined } {
  const counted = withParts(objects);
  return {
    instead: recorded && { action: recorded.action, recordedAt: recorded.recordedAt },
    objects: counted.length,
    named: counted
      .slice(0, NAMED)
      .map(({ object: { change, home, object } }) =>
        [change, object, ...(home === '' ? [] : ['of', home])].join(' '),
      ),
  };
}

function refused(why: string, hint: string): PgkeepError {
  return new PgkeepError('DRIFT_REFUSED', `Refused to accept the structure: ${why}. Nothing was recorded.`, {
    hint,
  });
}
