import { AsyncLocalStorage } from 'node:async_hooks';
import type { Types } from '@prisma/client/runtime/client';
import { readClientSettings } from '../config/client-settings.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { urlWithPassword } from '../config/password-source.js';
import type { DatabaseSettings } from '../config/settings.js';
import { propertyOf } from '../core/errors.js';
import { ProbeConnection } from '../postgres/probe-connection.js';
import { GuardError } from './guard-error.js';
import { replicaAdapter, type GuardedAdapter, type GuardedPoolOptions } from './guarded-adapter.js';
import { apply, call, isTransactionClient, methodOf } from './prisma-client.js';
import { isReplicaFault } from './replica-fault.js';
import { ReplicaMonitor, type ReplicaState } from './replica-monitor.js';
import { readsOf, type PlannedRead, type ReplicaReads } from './replica-reads.js';

const MAX_LAG_SECONDS = 5;
const CHECK_EVERY_MS = 1000;
const CHECK_TIMEOUT_MS = 1000;
/** Short: a read that the replica cannot answer goes to the primary. */
const RETRY_PAUSE_MS = 50;

/** Options of `pgkeepReplica`: how the replica is reached, as for `createGuardedPool`, and when it is used. */
export interface ReplicaOptions<Client> extends GuardedPoolOptions {
  /** Makes the client of the replica. Use the function that made the primary's, so that both have the same extensions. */
  readonly connect: (adapter: GuardedAdapter) => Client;
  /** The replica. Defaults to `DATABASE_READ_REPLICA_URL`; if that is not set either, every read goes to the primary. */
  readonly url?: string | undefined;
  /** The primary, with which the replica is compared. Defaults to `DATABASE_URL`, as for `createGuardedAdapter`. */
  readonly primaryUrl?: string | undefined;
  /** By how much the replica may be behind. Defaults to 5. */
  readonly maxLagSeconds?: number | undefined;
  /** How often the lag is measured while there are reads, in ms. Defaults to 1,000, and at most to half of the lag. */
  readonly checkEveryMs?: number | undefined;
  /** After which time a server that does not answer a check counts as down, in ms. Defaults to 1,000. */
  readonly checkTimeoutMs?: number | undefined;
  /** Called when reads begin to go to the primary, with the reason, and when they return to the replica: for logs. */
  readonly onChange?: ((state: ReplicaState) => void) | undefined;
}

/** What the extension adds to a client. */
interface ReplicaArguments<Client> extends Omit<Types.Extensions.DefaultArgs, 'client'> {
  readonly client: {
    readonly $replica: () => () => ReplicaReads<Client>;
    readonly $replicaState: () => () => Promise<ReplicaState>;
  };
}

interface ReplicaExtended<Client> {
  readonly $extends: { readonly extArgs: ReplicaArguments<Client> };
}

/** The extension, for `$extends` of a Prisma client. */
export type ReplicaExtension<Client> = (client: object) => ReplicaExtended<Client>;

/**
 * Returns the extension for reads from a replica: `prisma.$replica().child.findMany()`. A read goes to the primary where
 * the replica is down or too far behind, and in a transaction to that transaction.
 * @throws PgkeepError `CONFIG_INVALID`
 */
export function pgkeepReplica<Client>(options: ReplicaOptions<Client>): ReplicaExtension<Client> {
  const { url, primaryUrl, environment } = options;
  const settings = readClientSettings({ url: primaryUrl, replicaUrl: url }, environment);
  return (client) => {
    const routing = new ReplicaRouting(client, settings, options);
    const extended = call(client, '$extends', { name: 'pgkeep replica', client: routing.methods() });
    if (!isExtended<Client>(extended)) throw new GuardError('This is not a Prisma client.', 'USAGE_INVALID');
    return extended;
  };
}

/** What was added has its types for the compiler only. */
function isExtended<Client>(client: unknown): client is ReplicaExtended<Client> {
  return typeof client === 'object' && client !== null && '$extends' in client;
}

const NO_REPLICA: ReplicaState = {
  isUsable: false,
  lagMs: undefined,
  reason: 'DATABASE_READ_REPLICA_URL is not set',
};

class ReplicaRouting {
  private readonly replica: { readonly client: unknown; readonly monitor: ReplicaMonitor } | undefined;
  /** The client of the transaction that the current call runs in. */
  private readonly transactions = new AsyncLocalStorage<unknown>();

  constructor(
    private readonly client: unknown,
    private readonly settings: DatabaseSettings,
    options: ReplicaOptions<unknown>,
  ) {
    const { replicaUrl } = settings;
    if (!replicaUrl) return;
    const adapter = replicaAdapter(replicaUrl, settings, { retryPauseMs: RETRY_PAUSE_MS, ...options });
    this.replica = {
      client: options.connect(adapter),
      monitor: openMonitor(settings.pooledUrl, replicaUrl, options),
    };
  }

  methods(): Record<string, unknown> {
    return {
      $replica: methodOf((self) => this.readsFor(self)),
      $replicaState: async () => (await this.replica?.monitor.state()) ?? NO_REPLICA,
      $transaction: methodOf(
        async (self, work: unknown, options: unknown) => await this.transaction(self, work, options),
      ),
      $disconnect: async () => await this.disconnect(),
    };
  }

  private readsFor(self: unknown): unknown {
    const transaction = isTransactionClient(self) ? self : this.transactions.getStore();
    if (transaction !== undefined) {
      return readsOf(transaction, (read) => this.runOnPrimary(transaction, read));
    }
    return readsOf(self, (read) => this.run(self, read));
  }

  private async run(primary: unknown, read: PlannedRead): Promise<unknown> {
    const { replica } = this;
    if (!replica || !(await replica.monitor.state()).isUsable) return await this.runOnPrimary(primary, read);
    try {
      return await replica.monitor.whileUsable(Promise.resolve(read.on(replica.client)));
    } catch (error) {
      if (!isReplicaFault(error)) throw error;
      replica.monitor.suspect();
      return await this.runOnPrimary(primary, read);
    }
  }

  /** SQL of the application runs in a read-only transaction: the replica would refuse what writes. */
  private async runOnPrimary(client: unknown, read: PlannedRead): Promise<unknown> {
    if (!read.isRaw) return await read.on(client);
    const { queryTimeoutMs: timeout, acquireTimeoutMs: maxWait } = this.settings;
    const work = async (tx: unknown): Promise<unknown> => {
      await call(tx, '$executeRawUnsafe', 'SET TRANSACTION READ ONLY');
      return await read.on(tx);
    };
    return await call(client, '$transaction', work, { timeout, maxWait });
  }

  private async transaction(self: unknown, work: unknown, options: unknown): Promise<unknown> {
    const original = propertyOf(this.client, '$transaction');
    if (typeof work !== 'function') return await apply(original, self, [work, options]);
    const inside = async (tx: unknown): Promise<unknown> =>
      await this.transactions.run(tx, async () => await apply(work, undefined, [tx]));
    return await apply(original, self, [inside, options]);
  }

  private async disconnect(): Promise<void> {
    const { replica } = this;
    await Promise.all([
      call(this.client, '$disconnect'),
      replica?.monitor.close(),
      replica && call(replica.client, '$disconnect'),
    ]);
  }
}

function openMonitor(
  primaryUrl: DatabaseUrl,
  replicaUrl: DatabaseUrl,
  options: ReplicaOptions<unknown>,
): ReplicaMonitor {
  const { password, maxLagSeconds = MAX_LAG_SECONDS, checkTimeoutMs = CHECK_TIMEOUT_MS, onChange } = options;
  const maxLagMs = maxLagSeconds * 1000;
  const probe = (url: DatabaseUrl): ProbeConnection =>
    new ProbeConnection(password ? urlWithPassword(url, password) : url, 'pgkeep replica check');
  return new ReplicaMonitor(probe(primaryUrl), probe(replicaUrl), {
    maxLagMs,
    checkTimeoutMs,
    checkEveryMs: options.checkEveryMs ?? Math.min(CHECK_EVERY_MS, maxLagMs / 2),
    onChange,
  });
}
