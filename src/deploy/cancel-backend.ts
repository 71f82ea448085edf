import { withConnection } from '../postgres/connect.js';
import type { WatchOptions } from './blocker-watch.js';

/** Cancels what a backend runs, from a session beside it; never fails: the statement then ends by its own limits. */
export async function cancelBackend(
  backendPid: number,
  { url, timeouts, connectTimeoutMs }: Pick<WatchOptions, 'url' | 'timeouts' | 'connectTimeoutMs'>,
  applicationName: string,
): Promise<void> {
  const options = { connectTimeoutMs, answerTimeoutMs: timeouts.statementTimeoutMs, applicationName };
  await withConnection(url, options, (client) =>
    client.query('SELECT pg_catalog.pg_cancel_backend($1)', [backendPid]),
  ).catch(() => undefined);
}
