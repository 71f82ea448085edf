import type { Client } from 'pg';
import type { DatabaseSettings } from '../../config/settings.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { connectOnce } from '../../postgres/connect.js';
import { closeClient, withDeadline } from '../../postgres/deadline.js';
import { ProbeConnection } from '../../postgres/probe-connection.js';
import { queryOne } from '../../postgres/read.js';
import type { ConnectionVitals } from '../combine-report.js';
import { STATEMENT_MS } from '../probe.js';

/** The client waits this much longer than the server, so that the server's clearer message comes first. */
const GRACE_MS = 1000;

/**
 * The connections of monitoring: one that stays open, for the probes, and for each sample a new one, because how long
 * that takes is measured. Neither is of a pool.
 */
export class MonitorConnection {
  private readonly kept: ProbeConnection;
  private readonly rotation: CandidateRotation;

  constructor(private readonly settings: DatabaseSettings) {
    this.kept = new ProbeConnection(settings.url, 'pgkeep monitor', STATEMENT_MS.hour + GRACE_MS);
    this.rotation = new CandidateRotation(settings.url);
  }

  /**
   * Runs `work` on the connection that stays open. Not for concurrent use.
   * @param statementsMs how long the statements of `work` may take together
   * @throws DeadlineError; what connecting or `work` throws.
   */
  async use<T>(statementsMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    return await this.kept.use(statementsMs + GRACE_MS, work);
  }

  /** Opens a connection, asks one question, closes it. @throws DeadlineError; what connecting throws. */
  async measure(): Promise<ConnectionVitals> {
    const { connectTimeoutMs } = this.settings;
    const beganMs = performance.now();
    const client = await connectOnce(this.rotation, {
      connectTimeoutMs,
      answerTimeoutMs: connectTimeoutMs,
      applicationName: 'pgkeep monitor connect',
      throughPooler: true,
    });
    const connectMs = performance.now() - beganMs;
    try {
      const askedMs = performance.now();
      await withDeadline(queryOne(client, 'SELECT 1 AS answered'), connectTimeoutMs);
      return { connectMs, roundTripMs: performance.now() - askedMs };
    } finally {
      await closeClient(client);
    }
  }

  async close(): Promise<void> {
    await this.kept.close();
  }
}
