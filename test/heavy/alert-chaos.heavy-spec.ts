import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createDatabase, query } from '../support/clinic.js';
import { HttpReceiver } from '../support/http-receiver.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const ALERTS = 9;
/** Longer than a lease. */
const STOPPED_MS = 55_000;
const PATIENCE_MS = 240_000;

interface Message {
  readonly id: string;
  readonly event: string;
  readonly alerts: readonly { readonly code: string; readonly subject: string; readonly severity: string }[];
}

/** Two sessions, of which one waits for the other. */
class Blockade {
  private constructor(
    private readonly holds: Client,
    private readonly waits: Client,
    private readonly waiting: Promise<unknown>,
  ) {}

  static async begin(url: string, name: string): Promise<Blockade> {
    const address = url.replace(/\?.*$/, '');
    const holds = new Client({ connectionString: address, application_name: name });
    const waits = new Client({ connectionString: address, application_name: `${name} waits` });
    await Promise.all([holds.connect(), waits.connect()]);
    await holds.query(`CREATE TABLE ${name} (id int)`);
    await holds.query(`BEGIN; LOCK TABLE ${name}`);
    return new Blockade(holds, waits, waits.query(`SELECT FROM ${name}`));
  }

  async end(): Promise<void> {
    await this.holds.query('ROLLBACK');
    await this.waiting;
    await Promise.all([this.holds.end(), this.waits.end()]);
  }
}

/** Three services, one database, one receiver: leaders are killed and stopped, and the receiver refuses now and then. */
describe('alerts of three replicas whose leaders are killed and stopped', () => {
  let own: ThrowAwayCluster;
  let receiver: HttpReceiver;
  let url: string;
  const messages: Message[] = [];
  const replicas = new Map<number, PgkeepProcess>();
  let refusals = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    receiver = await HttpReceiver.start();
    receiver.answer = (response, { body }) => {
      refusals -= 1;
      if (refusals >= 0) return response.writeHead(503).end();
      messages.push(JSON.parse(body));
      return response.end();
    };
    url = await createDatabase(own, 'clinic');
    expect(await runCli(['install'], { DATABASE_URL: url })).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await Promise.all([...replicas.values()].map((replica) => replica.kill()));
    await receiver.close();
    await own.cluster.destroy();
  });

  function start(): void {
    const replica = new PgkeepProcess('main', [], {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      PORT: '0',
      HOST: '127.0.0.1',
      DB_MONITORING_ENABLED: 'true',
      DB_MONITORING_INTERVAL_SECONDS: '5',
      ALERT_WEBHOOKS: `generic+${receiver.url()}`,
    });
    replicas.set(replica.pid, replica);
  }

  async function leader(): Promise<PgkeepProcess> {
    let found: PgkeepProcess | undefined;
    await until(async () => {
      const { rows } = await query(url, `SELECT holder FROM pgkeep.lease WHERE expires_at > now()`);
      found = replicas.get(Number.parseInt(String(rows[0]?.holder), 10));
      return found !== undefined;
    }, PATIENCE_MS);
    if (!found) throw new Error('no leader');
    return found;
  }

  /**
   * The subjects that were received, and in how many messages with different ids each was, at most, with one severity:
   * a warning that gets critical is sent again.
   */
  function received(event: string): Map<string, number> {
    const ids = new Map<string, Map<string, Set<string>>>();
    for (const message of messages.filter((one) => one.event === event)) {
      for (const { code, subject, severity } of message.alerts) {
        if (code !== 'BLOCKED') continue;
        const bySeverity = ids.get(subject) ?? new Map<string, Set<string>>();
        bySeverity.set(severity, (bySeverity.get(severity) ?? new Set()).add(message.id));
        ids.set(subject, bySeverity);
      }
    }
    return new Map(
      [...ids].map(([subject, of]) => [subject, Math.max(...[...of.values()].map(({ size }) => size))]),
    );
  }

  it('are all received, and none twice but with the same id', async () => {
    for (let index = 0; index < 3; index += 1) start();
    await leader();
    const blockades: Blockade[] = [];
    let killed = 0;
    let stopped = 0;
    for (let index = 0; index < ALERTS; index += 1) {
      blockades.push(await Blockade.begin(url, `s${index}`));
      if (index % 3 === 0) refusals = 2;
      // BLOCKED is found after 10 s.
      await sleep(12_000);
      if (index === 2 || index === 7) {
        const victim = await leader();
        replicas.delete(victim.pid);
        await victim.kill();
        start();
        killed += 1;
      }
      if (index === 4) {
        const victim = await leader();
        victim.signal('SIGSTOP');
        setTimeout(() => victim.signal('SIGCONT'), STOPPED_MS);
        stopped += 1;
      }
    }
    const names = blockades.map((_, index) => `s${index}`);
    await until(() => names.every((name) => received('firing').has(name)), PATIENCE_MS);
    await Promise.all(blockades.map((blockade) => blockade.end()));
    await until(() => names.every((name) => received('resolved').has(name)), PATIENCE_MS);
    expect({ killed, stopped }).toEqual({ killed: 2, stopped: 1 });
    expect([...received('firing').values(), ...received('resolved').values()]).toEqual(
      Array.from({ length: 2 * ALERTS }, () => 1),
    );
    const { rows } = await query(url, `SELECT DISTINCT state FROM pgkeep.alert_delivery`);
    expect(rows).toEqual([{ state: 'sent' }]);
  });
});
