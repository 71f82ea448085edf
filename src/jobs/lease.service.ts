import { Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { DatabaseService } from '../postgres/database.service.js';
import { queryOne, type ReadTimeouts } from '../postgres/read.js';
import { inTransaction } from '../postgres/transaction.js';

/**
 * What a replica may do: the `leader` does the work, the `deputy` stands in for it while the database does not answer,
 * a `follower` waits.
 */
export type LeaseRole = 'leader' | 'deputy' | 'follower';

/** How a lease stands for one replica. */
export interface LeaseState {
  readonly role: LeaseRole;
  /** The leader's fencing number: each new leader has a greater one. */
  readonly fence: bigint;
}

interface Row {
  readonly holder: string;
  readonly fence: string;
  readonly deputy: string | null;
}

const END = 'pg_catalog.now() + pg_catalog.make_interval(secs => $3::float8)';
/** The lease is this replica's, or it was not renewed in time. */
const TAKES = '(l.holder = $2 OR l.expires_at < pg_catalog.now())';
/** The same of the deputy's place. */
const STANDS_IN = '(l.deputy IS NULL OR l.deputy = $2 OR l.deputy_expires_at < pg_catalog.now())';

/** One statement, and the database's clock: two replicas that ask at the same moment get different answers. */
const RENEW = `
  INSERT INTO pgkeep.lease AS l (name, holder, fence, expires_at) VALUES ($1, $2, 1, ${END})
  ON CONFLICT (name) DO UPDATE SET
    holder = CASE WHEN ${TAKES} THEN $2 ELSE l.holder END,
    fence = CASE WHEN l.holder <> $2 AND l.expires_at < pg_catalog.now() THEN l.fence + 1 ELSE l.fence END,
    expires_at = CASE WHEN ${TAKES} THEN ${END} ELSE l.expires_at END,
    deputy = CASE WHEN ${TAKES} THEN nullif(l.deputy, $2) WHEN ${STANDS_IN} THEN $2 ELSE l.deputy END,
    deputy_expires_at = CASE WHEN NOT ${TAKES} AND ${STANDS_IN} THEN ${END} ELSE l.deputy_expires_at END
  RETURNING holder, fence::text AS fence, deputy`;

/** SQL: whether lease `$1` is still that of holder `$2` with fence `$3`. Locks it, so that it stays so in this transaction. */
export const HELD_LEASE = `
  SELECT FROM pgkeep.lease
   WHERE name = $1 AND holder = $2 AND fence = $3::bigint AND expires_at > pg_catalog.now() FOR UPDATE`;

/** Names one replica as the leader and one as its deputy, whatever their number is. */
@Injectable()
export class LeaseService {
  constructor(private readonly database: DatabaseService) {}

  /**
   * Renews a lease, or takes it where its holder did not renew it in time.
   * @param holder this process, such as `pid@host`
   * @param seconds for how long it is held unless it is renewed
   * @throws what the database answers: schema pgkeep is missing, the role may not write, the server is read-only.
   */
  async renew(name: string, holder: string, seconds: number): Promise<LeaseState> {
    const { primary, timeouts } = this.database;
    return await this.database.withPooled(primary, (client) =>
      renewLease(client, { name, holder, seconds }, timeouts),
    );
  }
}

/** Does the same on a connection of the caller's. */
export async function renewLease(
  client: ClientBase,
  { name, holder, seconds }: { name: string; holder: string; seconds: number },
  timeouts: ReadTimeouts,
): Promise<LeaseState> {
  return await inTransaction(client, { ...timeouts, mode: 'READ WRITE' }, async () => {
    const row = await queryOne<Row>(client, RENEW, [name, holder, seconds]);
    const role = row.holder === holder ? 'leader' : row.deputy === holder ? 'deputy' : 'follower';
    return { role, fence: BigInt(row.fence) };
  });
}
