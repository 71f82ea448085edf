import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unprivilegedUser } from '../../src/cluster/data-directory.js';
import { freePort } from '../../src/cluster/postmaster.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';
import { until } from './until.js';

/** Where `npm test` unpacks it. */
const UNPACKED = path.resolve('.pgkeep/pgbouncer');

/** A real PgBouncer in front of a test's cluster, on loopback. */
export class PgBouncer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly logFile: string,
  ) {}

  /**
   * Every login becomes the cluster's superuser.
   * @param databases real names by the names on this side. Defaults to all, unchanged
   */
  static async start(
    { cluster }: ThrowAwayCluster,
    settings: Readonly<Record<string, string | number>>,
    databases: Readonly<Record<string, string>> = {},
  ): Promise<PgBouncer> {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-pgbouncer-'));
    chmodSync(directory, 0o777);
    const port = await freePort();
    const server = `host=127.0.0.1 port=${cluster.port} user=postgres password=${cluster.password}`;
    const logFile = path.join(directory, 'log');
    const lines = [
      '[databases]',
      ...Object.entries(databases).map(([name, real]) => `${name} = ${server} dbname=${real}`),
      `* = ${server}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = any',
      `logfile = ${logFile}`,
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    ];
    const configuration = path.join(directory, 'pgbouncer.ini');
    writeFileSync(configuration, `${lines.join('\n')}\n`, { mode: 0o644 });
    const child = spawn(program(directory), [configuration], {
      env: { LD_LIBRARY_PATH: libraryPath() },
      stdio: 'ignore',
      ...unprivilegedUser(),
    });
    await until(() => accepts(port), 10_000, 'a PgBouncer that listens').catch((error: unknown) => {
      const log = existsSync(logFile) ? readFileSync(logFile, 'utf8') : 'no log';
      throw new Error(`PgBouncer did not start: ${log}`, { cause: error });
    });
    return new PgBouncer(child, port, logFile);
  }

  url(database: string): string {
    return `postgresql://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}

/** A copy that the unprivileged user can read. */
function program(directory: string): string {
  const places = [
    ...(process.env['PATH'] ?? '').split(path.delimiter),
    '/usr/sbin',
    path.join(UNPACKED, 'usr/sbin'),
  ];
  const found = places.map((place) => path.join(place, 'pgbouncer')).find((file) => existsSync(file));
  if (found === undefined) {
    throw new Error('no pgbouncer on this machine: install it (`npm test` fetches it where apt-get is)');
  }
  const copy = path.join(directory, 'pgbouncer');
  copyFileSync(found, copy);
  chmodSync(copy, 0o755);
  return copy;
}

function libraryPath(): string {
  const libraries = path.join(UNPACKED, 'usr/lib');
  const multiarch = existsSync(libraries)
    ? readdirSync(libraries).find((name) => name.includes('-linux-gnu'))
    : undefined;
  return multiarch === undefined ? '' : path.join(libraries, multiarch);
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
