import { setTimeout as sleep } from 'node:timers/promises';
import { formatSeconds, withoutStop } from '../core/text.js';
import { identityOf } from '../postgres/candidate-client.js';
import { databaseFault } from '../postgres/database-fault.js';
import type { ProbeConnection } from '../postgres/probe-connection.js';
import { queryOne } from '../postgres/read.js';

/** What is known about a read replica. */
export interface ReplicaState {
  /** Whether reads go to it now. */
  readonly isUsable: boolean;
  /** By how much it is behind the primary at most, in ms; undefined if that is not known. */
  readonly lagMs: number | undefined;
  /** Why reads go to the primary; undefined if they do not. */
  readonly reason: string | undefined;
}

/** When a replica may be used, and how often that is checked. */
export interface ReplicaLimits {
  readonly maxLagMs: number;
  readonly checkEveryMs: number;
  readonly checkTimeoutMs: number;
  /** Called when reads begin to go elsewhere, with the reason, and when they return. */
  readonly onChange?: ((state: ReplicaState) => void) | undefined;
}

/** How far the primary had written its WAL at a moment. */
interface Sample {
  readonly at: number;
  readonly position: bigint;
}

/** The replica was lost while a read ran on it. */
export class ReplicaLostError extends Error {
  override readonly name = 'ReplicaLostError';
}

/** Bytes from the beginning of the WAL. Null for a server in recovery. */
const PRIMARY_POSITION = `
  SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()
              THEN (pg_catalog.pg_current_wal_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::text END AS position`;

const REPLICA_POSITION = `
  SELECT pg_catalog.pg_is_in_recovery() AS recovery,
         (pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::text AS position`;

/**
 * Measures by how much a replica is behind, by the positions in the WAL: what the primary had written at a moment, and
 * whether the replica has replayed that. Times of the servers are not compared: they may differ, a primary without
 * writes would look like a lagging replica, and a replica without a connection to its primary like a current one.
 */
export class ReplicaMonitor {
  /** Of the last `maxLagMs`, oldest first. */
  private samples: Sample[] = [];
  /** The replica has replayed what was committed before this moment, by the monotonic clock. */
  private currentAsOf: number | undefined;
  private checkedAt = -Infinity;
  private checking: Promise<void> | undefined;
  private fault: string | undefined;
  private primaryFault: string | undefined;
  private isSameDatabase = false;
  private wasUsable = true;
  /** Ends the wait of each read that runs on the replica. */
  private readonly running = new Set<(error: Error) => void>();
  private isWatching = false;

  constructor(
    private readonly primary: ProbeConnection,
    private readonly replica: ProbeConnection,
    private readonly limits: ReplicaLimits,
  ) {}

  /** Returns whether reads go to the replica, and checks it again where the last check is too old. */
  async state(): Promise<ReplicaState> {
    const checking = this.checkWhenDue();
    // A replica that has failed is checked in the background: reads do not wait for it.
    if (this.fault === undefined && !this.isWithinBound()) await checking;
    const state = this.current();
    if (state.isUsable !== this.wasUsable) {
      this.wasUsable = state.isUsable;
      this.limits.onChange?.(state);
    }
    return state;
  }

  /** Waits for a read on the replica as long as the replica answers. @throws ReplicaLostError; what the read throws. */
  async whileUsable<T>(reading: PromiseLike<T>): Promise<T> {
    let lose = (_error: Error): void => undefined;
    const lost = new Promise<never>((_resolve, reject) => {
      lose = reject;
    });
    this.running.add(lose);
    void this.watch();
    try {
      return await Promise.race([reading, lost]);
    } finally {
      this.running.delete(lose);
    }
  }

  /** Takes the replica out of use, because a read on it failed, until the next check, which is due immediately. */
  suspect(): void {
    this.fault ??= 'a read on it failed, and it was not checked since';
    this.checkedAt = -Infinity;
  }

  /** Closes its connections. */
  async close(): Promise<void> {
    await Promise.all([this.primary.close(), this.replica.close()]);
  }

  private current(): ReplicaState {
    const lagMs = this.lagMs();
    const { maxLagMs } = this.limits;
    const reason =
      this.fault ??
      (lagMs === undefined
        ? `its lag is not known${this.primaryFault === undefined ? '' : `: ${this.primaryFault}`}`
        : lagMs > maxLagMs
          ? `it is ${formatSeconds(lagMs)} behind, more than ${formatSeconds(maxLagMs)}`
          : undefined);
    return { isUsable: reason === undefined, lagMs, reason };
  }

  private lagMs(): number | undefined {
    return this.currentAsOf === undefined ? undefined : performance.now() - this.currentAsOf;
  }

  private isWithinBound(): boolean {
    return (this.lagMs() ?? Infinity) <= this.limits.maxLagMs;
  }

  private checkWhenDue(): Promise<void> {
    const isDue = performance.now() - this.checkedAt >= this.limits.checkEveryMs;
    if (isDue && !this.checking) {
      this.checking = this.check().finally(() => {
        this.checking = undefined;
      });
    }
    return this.checking ?? Promise.resolve();
  }

  private async check(): Promise<void> {
    this.checkedAt = performance.now();
    await this.samplePrimary();
    this.fault = await this.measureReplica();
  }

  private async samplePrimary(): Promise<void> {
    const { checkTimeoutMs, maxLagMs } = this.limits;
    const at = performance.now();
    this.samples = this.samples.filter((sample) => at - sample.at <= maxLagMs);
    try {
      const { position } = await this.primary.use(checkTimeoutMs, (client) =>
        queryOne<{ position: string | null }>(client, PRIMARY_POSITION),
      );
      if (position === null) throw new Error('the primary is in recovery');
      this.samples.push({ at, position: BigInt(position) });
      this.primaryFault = undefined;
    } catch (error) {
      this.primaryFault = `the primary cannot be asked: ${withoutStop(databaseFault(error).text)}`;
    }
  }

  /** Returns why the replica cannot be used, whatever its lag; undefined if it can. */
  private async measureReplica(): Promise<string | undefined> {
    try {
      const { recovery, position } = await this.replica.use(this.limits.checkTimeoutMs, (client) =>
        queryOne<{ recovery: boolean; position: string | null }>(client, REPLICA_POSITION),
      );
      if (!recovery) return 'it is not a replica: it was promoted, or is another server';
      if (!(await this.isCopy())) return 'it is a replica of another database';
      const reached = BigInt(position ?? 0);
      this.currentAsOf =
        this.samples.findLast((sample) => sample.position <= reached)?.at ?? this.currentAsOf;
      return undefined;
    } catch (error) {
      return `it cannot be used: ${withoutStop(databaseFault(error).text)}`;
    }
  }

  /** Returns whether both are the same database of the same cluster: positions of two clusters cannot be compared. */
  private async isCopy(): Promise<boolean> {
    if (this.isSameDatabase || this.samples.length === 0) return true;
    const { checkTimeoutMs } = this.limits;
    const primary = await this.primary.use(checkTimeoutMs, (client) => identityOf(client));
    const replica = await this.replica.use(checkTimeoutMs, (client) => identityOf(client));
    this.isSameDatabase = primary === replica;
    return this.isSameDatabase;
  }

  /** Checks the replica while reads run on it: one that hangs does not fail them. One loop for all reads. */
  private async watch(): Promise<void> {
    if (this.isWatching) return;
    this.isWatching = true;
    while (this.running.size > 0) {
      await sleep(this.limits.checkEveryMs, undefined, { ref: false });
      if (this.running.size > 0) await this.checkWhenDue();
      if (this.fault === undefined) continue;
      for (const lose of this.running) lose(new ReplicaLostError(this.fault));
    }
    // In the same step as the end of the loop: a read that begins later starts another.
    this.isWatching = false;
  }
}
