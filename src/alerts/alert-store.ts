import { Injectable } from '@nestjs/common';
import type { ClientBase, QueryResultRow } from 'pg';
import type { Notice } from '../notifiers/notifier.types.js';
import { DatabaseService } from '../postgres/database.service.js';
import { oneRow } from '../postgres/read.js';
import { inTransaction } from '../postgres/transaction.js';
import { alertId } from './alert-ids.js';
import { DATABASE_DOWN } from './alert-rules.js';
import { CLAIM, CLEAN, COMMIT, DELIVERIES, FAILED, GIVE_UP_OTHERS, READ, SENT } from './alert-statements.js';
import type { Alert, Silencing } from './alert.types.js';

export const DATABASE_DOWN_ID = alertId({ code: DATABASE_DOWN, subject: '' });

/** In ms. These statements read and write a few rows; one that takes longer waits for something. */
const STATEMENT_MS = 4000;

/** A message to one receiver, to be written into the outbox. */
export interface NewDelivery {
  readonly id: string;
  readonly receiver: string;
  readonly notice: Notice;
  /** `sent` and `failed`: it was sent from memory, while the database was down. */
  readonly state: 'due' | 'sent' | 'failed';
  readonly attempts: number;
  readonly lastError: string | null;
}

/** A receiver that takes nothing. */
export interface UndeliveredTo {
  readonly receiver: string;
  readonly due: number;
  /** How many messages were given up within a day. */
  readonly failed: number;
  readonly error: string | null;
}

/** What a step needs from the database. */
export interface AlertReading {
  /** The database's clock, in ms since 1970. */
  readonly now: number;
  readonly silences: readonly Silencing[];
  readonly undelivered: readonly UndeliveredTo[];
  /** Null where they were not read. */
  readonly alerts: readonly Alert[] | null;
}

/** What a step writes. */
export interface AlertChanges {
  readonly changed: readonly Alert[];
  readonly forgotten: readonly string[];
  readonly deliveries: readonly NewDelivery[];
}

/** A message that this process is sending. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly notice: Notice;
  /** This attempt included. */
  readonly attempts: number;
}

/** The state of the messages to one receiver, within a month. */
export interface DeliveryView {
  readonly receiver: string;
  readonly due: number;
  readonly sent: number;
  /** Given up after a day. */
  readonly failed: number;
  /** ISO 8601; null if none was sent. */
  readonly lastSentAt: string | null;
  readonly lastError: string | null;
}

interface DeliveryRow extends Omit<DeliveryView, 'lastSentAt' | 'lastError'> {
  readonly sent_at: Date | null;
  readonly last_error: string | null;
}

/** Reads and writes alerts and their messages. Throws what the database answers. */
@Injectable()
export class AlertStore {
  constructor(private readonly database: DatabaseService) {}

  /** Reads what a step needs; the alerts only on request: the leader knows them. */
  async read({ withAlerts }: { readonly withAlerts: boolean }): Promise<AlertReading> {
    return oneRow(await this.rows<AlertReading>(READ, [withAlerts, DATABASE_DOWN_ID]));
  }

  /**
   * Writes a step while the lease has this fence.
   * @returns false where another replica leads by now: nothing was written.
   */
  async commit(
    lease: string,
    fence: bigint,
    { changed, forgotten, deliveries }: AlertChanges,
  ): Promise<boolean> {
    const values = [lease, String(fence), JSON.stringify(changed), forgotten, JSON.stringify(deliveries)];
    return oneRow(await this.rows<{ held: number }>(COMMIT, values)).held > 0;
  }

  /** Deletes what is over since long. */
  async clean(): Promise<void> {
    await this.rows(CLEAN, [DATABASE_DOWN_ID]);
  }

  /** Claims the next message for a receiver; undefined where none is due. */
  async claim(receiver: string): Promise<ClaimedDelivery | undefined> {
    const [claimed] = await this.rows<ClaimedDelivery>(CLAIM, [receiver]);
    return claimed;
  }

  /** Notes that a receiver took a message. */
  async markSent(id: string, receiver: string): Promise<void> {
    await this.rows(SENT, [id, receiver]);
  }

  /** Notes that a receiver did not take a message. Returns whether it is given up. */
  async markFailed(id: string, receiver: string, error: string, retryAfterMs: number): Promise<boolean> {
    const [row] = await this.rows<{ state: string }>(FAILED, [id, receiver, error, retryAfterMs]);
    return row?.state === 'failed';
  }

  /** Gives up what waits for receivers that are not configured any more. */
  async giveUpOthers(receivers: readonly string[]): Promise<void> {
    await this.rows(GIVE_UP_OTHERS, [receivers]);
  }

  /** Reads the state of the messages. */
  async deliveries(): Promise<DeliveryView[]> {
    const rows = await this.rows<DeliveryRow>(DELIVERIES);
    return rows.map(({ receiver, due, sent, failed, sent_at: sentAt, last_error: lastError }) => ({
      receiver,
      due,
      sent,
      failed,
      lastSentAt: sentAt?.toISOString() ?? null,
      lastError,
    }));
  }

  /** Runs one statement in its own transaction, which `work` may add to. */
  async rows<Row extends QueryResultRow>(
    sql: string,
    values: readonly unknown[] = [],
    andThen: (client: ClientBase, rows: readonly Row[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<Row[]> {
    const options = { mode: 'READ WRITE', statementTimeoutMs: STATEMENT_MS } as const;
    return await this.database.withPooled(this.database.primary, (client) =>
      inTransaction(client, options, async () => {
        const { rows } = await client.query<Row>(sql, [...values]);
        await andThen(client, rows);
        return rows;
      }),
    );
  }
}
