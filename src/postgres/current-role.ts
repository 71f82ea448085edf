import type { ClientBase } from 'pg';
import { read, type ReadTimeouts } from './read.js';

/** The role that statements run as, for messages that name the grant to give. */
export async function currentRole(client: ClientBase, timeouts: ReadTimeouts): Promise<string> {
  const rows = await read<{ role: string }>(client, {
    sql: 'SELECT current_user::text AS role',
    ...timeouts,
  });
  return rows[0]?.role ?? '';
}
