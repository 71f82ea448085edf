import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/cluster/postmaster.js';
import { prometheusProgram } from './stock-prometheus.js';
import { StockServer } from './stock-server.js';

/** An alert as amtool lists it. */
export interface ListedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Debian's Alertmanager on a free loopback port, with its own directory. It notifies a webhook immediately. */
export class StockAlertmanager {
  private constructor(private readonly server: StockServer) {}

  /** @throws Error with its log where it does not become ready. */
  static async start(webhook: string): Promise<StockAlertmanager> {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-alertmanager-'));
    const file = path.join(directory, 'alertmanager.yml');
    // JSON is YAML.
    const route = {
      receiver: 'test',
      group_by: ['...'],
      group_wait: '0s',
      group_interval: '1s',
      repeat_interval: '1h',
    };
    const receivers = [{ name: 'test', webhook_configs: [{ url: webhook, send_resolved: true }] }];
    writeFileSync(file, JSON.stringify({ route, receivers }));
    const address = `127.0.0.1:${await freePort()}`;
    const command = [
      ...commandOf(prometheusProgram('prometheus-alertmanager')),
      `--config.file=${file}`,
      `--storage.path=${path.join(directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ];
    return new StockAlertmanager(await StockServer.start('Alertmanager', { command, directory, address }));
  }

  get url(): string {
    return this.server.url;
  }

  /** Returns the alerts that fire, as amtool lists them. */
  alerts(): readonly ListedAlert[] {
    const argv = ['alert', 'query', `--alertmanager.url=${this.url}`, '--output=json'];
    return JSON.parse(execFileSync(prometheusProgram('amtool'), argv, { encoding: 'utf8' }));
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}

const OVERLAY = 'mount -t overlay overlay -o "lowerdir=$1:/usr/share" /usr/share && shift && exec "$@"';

/**
 * Returns the command that runs a program of Debian's package, which reads its templates below /usr/share whatever its own
 * place is. Where it was only unpacked, its files are laid over that directory, for this process alone; that takes root.
 */
function commandOf(program: string): readonly string[] {
  const share = path.resolve(program, '..', '..', 'share');
  if (share === '/usr/share') return [program];
  return ['unshare', '--mount', 'sh', '-euc', OVERLAY, 'sh', share, program];
}
