import { Logger } from '@nestjs/common';
import type { Client } from 'pg';
import { parseDatabaseUrl } from '../config/database-url.js';
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { CandidateRotation } from '../postgres/candidate-rotation.js';
import { connectOnce, withConnection } from '../postgres/connect.js';
import { closeClient } from '../postgres/deadline.js';

const TICK_MS = 1000;
const MOST_CLIENTS = 5;
const OPTIONS = { connectTimeoutMs: 5000, answerTimeoutMs: 10_000, applicationName: 'clinic-web' } as const;
/** As the application connects: its statements are not counted as pgkeep's. */
const AS_CLINIC = { ...OPTIONS, limits: {} } as const;
/** What pgkeep itself adds to the numbers of the demo: its connections and its transactions. */
const OWN = { connections: 4, transactions: 5 } as const;

/** What the pages of a clinic ask: small, and nothing is written. */
const STATEMENTS = [
  'SELECT count(*) FROM public.children',
  'SELECT * FROM public.sessions ORDER BY id DESC LIMIT 20',
  'SELECT * FROM public.session_quiz_steps ORDER BY id DESC LIMIT 50',
] as const;

/** How many connections the clinic holds, and how many statements it sends in a second. */
interface Load {
  readonly clients: number;
  readonly statements: number;
}

/** Returns the load at a time: waves of a quarter of an hour and of seven minutes, so that the charts have a shape. Pure. */
export function demoLoad(atMs: number): Load {
  const minutes = atMs / 60_000;
  const share =
    0.5 + 0.3 * Math.sin((minutes * 2 * Math.PI) / 15) + 0.2 * Math.sin((minutes * 2 * Math.PI) / 7);
  return {
    clients: 1 + Math.round(share * (MOST_CLIENTS - 1)),
    statements: 2 + Math.round(share * 18),
  };
}

/** Traffic of the sample clinic, for the embedded demo: it gives the dashboard something to show. */
export class DemoTraffic {
  private readonly logger = new Logger('Demo');
  private readonly rotation: CandidateRotation;
  private readonly clients: Client[] = [];
  private sent = 0;

  private constructor(
    url: string,
    private readonly clock: Clock,
  ) {
    this.rotation = new CandidateRotation(parseDatabaseUrl(url));
  }

  /** Starts it. It ends with the database, or with the process. */
  static start(url: string, clock: Clock): void {
    const traffic = new DemoTraffic(url, clock);
    traffic.logger.log('sends the traffic of a sample clinic: a few small SELECTs a second');
    traffic.plan();
  }

  private plan(): void {
    setTimeout(() => void this.tick(), TICK_MS).unref();
  }

  private async tick(): Promise<void> {
    try {
      await this.send(demoLoad(this.clock.now().getTime()));
      this.plan();
    } catch (error) {
      // The database stops, or is being restored: the demo goes on without traffic.
      this.logger.log(`the traffic of the sample clinic ends: ${messageOf(error)}`);
      await Promise.all(this.clients.map((client) => closeClient(client)));
    }
  }

  private async send({ clients, statements }: Load): Promise<void> {
    while (this.clients.length < clients) this.clients.push(await connectOnce(this.rotation, AS_CLINIC));
    for (const client of this.clients.splice(clients)) await closeClient(client);
    for (let index = 0; index < statements; index += 1) {
      const client = this.clients[index % this.clients.length];
      const statement = STATEMENTS[this.sent % STATEMENTS.length];
      this.sent += 1;
      if (client && statement !== undefined) await client.query(statement);
    }
  }
}

/**
 * Adds the hour before the first start to the history, as the demo's traffic would have made it, so that the charts begin
 * with a shape. Does nothing where there is a history already. The dashboard says that it is a demo's.
 */
export async function recordDemoHour(url: string, now: Date): Promise<void> {
  const minute = Math.floor(now.getTime() / 60_000) - 1;
  const minutes = Array.from({ length: 60 }, (_minute, index) => demoMinute(minute - index));
  await withConnection(parseDatabaseUrl(url), { ...OPTIONS, applicationName: 'pgkeep demo' }, (client) =>
    client.query(DEMO_HOUR, [JSON.stringify(minutes)]),
  );
}

function demoMinute(minute: number): { readonly at: number; readonly vitals: object } {
  const { clients, statements } = demoLoad(minute * 60_000);
  // The same at each start: nothing here is measured.
  const ripple = Math.abs(Math.sin(minute * 12.9898));
  const connectMs = 7 + 4 * ripple;
  return {
    at: minute * 60,
    vitals: {
      up: 1,
      connections: clients + OWN.connections,
      active: 1,
      idle: clients + OWN.connections - 1,
      transactionsPerSecond: statements + OWN.transactions + ripple,
      rollbacksPerSecond: 0,
      connectMs: [connectMs, connectMs * (1 + ripple)],
      roundTripMs: 0.4 + 0.3 * ripple,
    },
  };
}

const DEMO_HOUR = `
  INSERT INTO pgkeep.sample (step, at, vitals)
  SELECT 1, pg_catalog.to_timestamp(x.at),
         x.vitals || pg_catalog.jsonb_build_object('sizeBytes', pg_catalog.pg_database_size(pg_catalog.current_database()))
    FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS x (at float8, vitals jsonb)
   WHERE NOT EXISTS (SELECT FROM pgkeep.sample s WHERE s.at < pg_catalog.now() - interval '10 minutes')
  ON CONFLICT (step, at) DO NOTHING`;
