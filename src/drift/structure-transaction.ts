import type { ClientBase } from 'pg';
import { giveSettings } from '../postgres/catalogue/session-settings.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { STEADY_OUTPUT } from '../postgres/session-settings.js';
import { beginStatements } from '../postgres/transaction.js';

/**
 * Runs `work` in a transaction in which definitions read the same whatever the role's settings are.
 * @throws what `work` throws, after the transaction was ended.
 */
export async function inStructureTransaction<T>(
  client: ClientBase,
  timeouts: ReadTimeouts,
  mode: 'READ ONLY' | 'READ WRITE',
  work: () => Promise<T>,
): Promise<T> {
  await client.query(beginStatements(client, { mode, ...timeouts }));
  try {
    // Compiling these queries takes longer than running them.
    await giveSettings(client, { ...STEADY_OUTPUT, jit: 'off' });
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Where the connection itself broke this fails as well, and the first error is the one to tell.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
