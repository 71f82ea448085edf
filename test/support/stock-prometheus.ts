import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/cluster/postmaster.js';
import { StockServer } from './stock-server.js';

/** Where `npm run test:heavy` unpacks it. */
const UNPACKED = path.resolve('.pgkeep/prometheus/usr/bin');

/** The path of one of Debian's programs. @throws Error if it is not there. */
export function prometheusProgram(
  name: 'prometheus' | 'promtool' | 'prometheus-alertmanager' | 'amtool',
): string {
  const directories = [...(process.env['PATH'] ?? '').split(path.delimiter), UNPACKED];
  const found = directories.map((directory) => path.join(directory, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new Error(`no ${name} on this machine: run \`npm run test:heavy\``);
}

/** One series of an answer of Prometheus. */
export interface QueriedSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
}

interface Target {
  readonly health: string;
  readonly lastError: string;
}

/** Debian's Prometheus on a free loopback port, with its own directory. It scrapes each second. */
export class StockPrometheus {
  private constructor(private readonly server: StockServer) {}

  /** @param rules files of rules. @throws Error with its log where it does not become ready. */
  static async start(
    target: string,
    { token, rules }: { token: string; rules: readonly string[] },
  ): Promise<StockPrometheus> {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-prometheus-'));
    const file = path.join(directory, 'prometheus.yml');
    const tokenFile = path.join(directory, 'token');
    writeFileSync(tokenFile, token);
    // JSON is YAML.
    const configuration = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: rules.map((rule) => path.resolve(rule)),
      scrape_configs: [
        {
          job_name: 'pgkeep',
          authorization: { credentials_file: tokenFile },
          static_configs: [{ targets: [target] }],
        },
      ],
    };
    writeFileSync(file, JSON.stringify(configuration));
    const address = `127.0.0.1:${await freePort()}`;
    const command = [
      prometheusProgram('prometheus'),
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(directory, 'data')}`,
      `--web.listen-address=${address}`,
    ];
    return new StockPrometheus(await StockServer.start('Prometheus', { command, directory, address }));
  }

  get url(): string {
    return this.server.url;
  }

  /** Runs an instant query. */
  async query(expression: string): Promise<readonly QueriedSeries[]> {
    const answer = await this.get<{ readonly result: readonly QueriedSeries[] }>(
      `query?query=${encodeURIComponent(expression)}`,
    );
    return answer.result;
  }

  /** The number that an expression returns; undefined where it returns nothing. */
  async value(expression: string): Promise<number | undefined> {
    const [series] = await this.query(expression);
    return series && Number(series.value[1]);
  }

  async alerts(): Promise<readonly Alert[]> {
    return (await this.get<{ readonly alerts: readonly Alert[] }>('alerts')).alerts;
  }

  /** The one target, and what it answered. */
  async target(): Promise<Target | undefined> {
    return (await this.get<{ readonly activeTargets: readonly Target[] }>('targets')).activeTargets[0];
  }

  get log(): string {
    return this.server.log;
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }

  private async get<T>(what: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${what}`, { signal: AbortSignal.timeout(10_000) });
    const answer: { readonly data: T } = JSON.parse(await response.text());
    return answer.data;
  }
}
