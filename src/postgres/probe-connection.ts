import type { Client } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import { CandidateRotation, isStale } from './candidate-rotation.js';
import { connectOnce } from './connect.js';
import { closeClient, DeadlineError, withDeadline } from './deadline.js';

/** A connection outside of every pool, kept open between uses. Not for concurrent use. */
export class ProbeConnection {
  private readonly rotation: CandidateRotation;
  private client: Client | undefined;

  constructor(
    url: DatabaseUrl,
    /** Shown in `pg_stat_activity`. */
    private readonly applicationName: string,
    /** Longest wait for one answer, ms. Defaults to the deadline of the use that opens the connection. */
    private readonly answerTimeoutMs?: number,
  ) {
    this.rotation = new CandidateRotation(url);
  }

  /**
   * Runs `work` on the connection, opening it first where there is none. Any failure closes the connection, the deadline
   * and an end of the server in between included.
   * @throws DeadlineError after `deadlineMs`; what connecting or `work` throws.
   */
  async use<T>(deadlineMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    let isAbandoned = false;
    // The URL's file was replaced: the password of this connection may be revoked, or the server another.
    if (this.client && isStale(this.client, this.rotation)) await this.close();
    const connected = this.client ? Promise.resolve(this.client) : this.open(deadlineMs);
    const working = connected.then((client) => {
      // Connected too late: this connection must not take the place of one that was opened since.
      if (isAbandoned) throw new DeadlineError(deadlineMs);
      this.client = client;
      return work(client);
    });
    try {
      return await withDeadline(working, deadlineMs);
    } catch (error) {
      isAbandoned = true;
      this.client = undefined;
      connected.then(
        (client) => client.connection.stream.destroy(),
        () => undefined,
      );
      throw error;
    }
  }

  /** Closes the connection; the next use opens another. */
  async close(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) await closeClient(client);
  }

  private async open(deadlineMs: number): Promise<Client> {
    const client = await connectOnce(this.rotation, {
      // Each host gets its share: one that does not answer must leave time for the next.
      connectTimeoutMs: deadlineMs / this.rotation.url.hosts.length,
      answerTimeoutMs: this.answerTimeoutMs ?? deadlineMs,
      applicationName: this.applicationName,
      throughPooler: true,
    });
    client.once('end', () => {
      if (this.client === client) this.client = undefined;
    });
    return client;
  }
}
