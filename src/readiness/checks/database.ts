import { outcomeOf } from '../outcome.js';
import type { CheckOutcome, Finding, Known } from '../readiness.types.js';
import type { ServerFacts } from '../../postgres/server-facts.js';

/** Does the primary answer, and is it one that can be written to? */
export function checkDatabase(server: Known<ServerFacts>): CheckOutcome {
  if ('fault' in server) {
    const { code, text, hint } = server.fault;
    return outcomeOf('', { failing: [{ code, text: `No usable database connection: ${text}. ${hint}` }] });
  }
  const { version, latencyMs, inRecovery, readOnly } = server.value;
  const failing: Finding[] = [];
  if (inRecovery) {
    failing.push({
      code: 'DATABASE_IN_RECOVERY',
      text: 'The server is a read-only replica (in recovery) although a primary is expected: point DATABASE_URL at the primary',
    });
  } else if (readOnly) {
    failing.push({
      code: 'DATABASE_READ_ONLY',
      text: 'The server is read-only (default_transaction_read_only = on) although a primary is expected: switch it off, or point DATABASE_URL at the primary',
    });
  }
  return outcomeOf(`PostgreSQL ${version}, ${latencyMs} ms`, { failing });
}
