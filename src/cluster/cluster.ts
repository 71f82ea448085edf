import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PgkeepError } from '../core/errors.js';
import type { KeyAndCertificate } from './certificates.js';
import {
  clusterFailure,
  makeDataDirectory,
  makePrivateDirectory,
  passwordFile,
  serverEnvironment,
  unprivilegedUser,
  type UserIds,
} from './data-directory.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import {
  freePort,
  isPostgresRunning,
  isRunning,
  type PostmasterFile,
  readPostmasterFile,
  spawnWatched,
} from './postmaster.js';

const START_DEADLINE_MS = 30_000;
const PREDECESSOR_DEADLINE_MS = 12_000;
const POLL_MS = 15;

export interface ClusterOptions {
  /** Holds every file of the cluster; the user that PostgreSQL runs as must be able to reach it. */
  readonly directory: string;
  readonly binaries: PostgresBinaries;
  /** Server settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf. Defaults to passwords (SCRAM) for connections from this machine. */
  readonly hba?: readonly string[];
  /** Switches TLS on; `root` is the authority that clients' certificates are checked against. */
  readonly tls?: KeyAndCertificate & { readonly root: string };
}

/** Password authentication for connections from this machine, with or without TLS. */
const LOCAL_PASSWORDS = [
  'local all all scram-sha-256',
  'host all all 127.0.0.1/32 scram-sha-256',
  'host all all ::1/128 scram-sha-256',
];

/**
 * A PostgreSQL that pgkeep starts on a free loopback port: the embedded default, scratch servers, and tests. It never
 * touches a cluster that it did not create, runs unprivileged, and ends with this process (see `spawnWatched`).
 */
export class Cluster {
  readonly host = '127.0.0.1';
  readonly superuser = 'postgres';
  private child: ChildProcess | undefined;
  private currentPort = 0;
  private readonly user: UserIds | undefined = unprivilegedUser();

  private constructor(private readonly options: ClusterOptions) {}

  /** Opens the cluster in `directory`, creating it first where there is none, and starts its server. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    makePrivateDirectory(options.directory, cluster.user);
    if (!existsSync(cluster.dataDirectory)) {
      await makeDataDirectory(cluster.dataDirectory, {
        ...options,
        superuser: cluster.superuser,
        user: cluster.user,
      });
    }
    await cluster.startServer();
    return cluster;
  }

  get port(): number {
    return this.currentPort;
  }

  get dataDirectory(): string {
    return path.join(this.options.directory, 'data');
  }

  get logFile(): string {
    return path.join(this.options.directory, 'postgres.log');
  }

  /** The superuser's password: random, kept in a file that only this user can read. */
  get password(): string {
    return readFileSync(passwordFile(this.dataDirectory), 'utf8');
  }

  /** Process id of the running postmaster. */
  get postmasterPid(): number {
    return readPostmasterFile(this.dataDirectory)?.pid ?? 0;
  }

  /** Returns a connection URL of the superuser; `parameters` such as `{ sslmode: 'require' }`. */
  url(database: string, parameters: Readonly<Record<string, string>> = {}): string {
    const query = new URLSearchParams(parameters).toString();
    const base = `postgresql://${this.superuser}:${this.password}@${this.host}:${this.port}/${encodeURIComponent(database)}`;
    return query ? `${base}?${query}` : base;
  }

  /** Starts the server, on the port that it had before where that is still free; does nothing while it runs. */
  async startServer(): Promise<void> {
    if (this.child) return;
    const predecessor = await this.awaitPredecessor();
    this.currentPort = await freePort(this.currentPort);
    const child = spawnWatched(
      [path.join(this.options.binaries.bin, 'postgres'), ...this.serverArguments()],
      {
        env: serverEnvironment(this.options.binaries),
        logFile: this.logFile,
        user: this.user,
      },
    );
    this.child = child;
    await this.awaitReady(child, predecessor);
    this.writeOwned(this.ownerFile, String(process.pid));
  }

  /** Stops the server (fast shutdown) and waits for its end. Keeps the data. */
  async stop(): Promise<void> {
    const child = this.child;
    if (!child) return;
    this.child = undefined;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    child.stdin?.end();
    await ended;
    // Keep it where another server has taken its place.
    if (!readPostmasterFile(this.dataDirectory)) rmSync(this.ownerFile, { force: true });
  }

  /** Stops the server and removes everything below the directory. */
  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.options.directory, { recursive: true, force: true });
  }

  /** Holds the id of the process that runs the server. */
  private get ownerFile(): string {
    return path.join(this.options.directory, 'owner');
  }

  /** Returns whether the process that started the server still runs: then the server will not end by itself. */
  private isOwned(): boolean {
    return existsSync(this.ownerFile) && isRunning(Number(readFileSync(this.ownerFile, 'utf8')));
  }

  private serverArguments(): string[] {
    const { directory, settings, hba = LOCAL_PASSWORDS, tls } = this.options;
    const hbaFile = path.join(directory, 'pg_hba.conf');
    this.writeOwned(hbaFile, `${hba.join('\n')}\n`);
    const all: Record<string, string> = {
      listen_addresses: this.host,
      port: String(this.port),
      hba_file: hbaFile,
      unix_socket_directories: '',
      shared_buffers: '32MB',
      max_wal_size: '256MB',
      ...(tls ? this.tlsSettings(tls) : {}),
      ...settings,
    };
    return [
      '-D',
      this.dataDirectory,
      ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
  }

  private tlsSettings(tls: NonNullable<ClusterOptions['tls']>): Record<string, string> {
    const files = { ssl_cert_file: tls.certificate, ssl_key_file: tls.key, ssl_ca_file: tls.root };
    const settings: Record<string, string> = { ssl: 'on' };
    for (const [setting, content] of Object.entries(files)) {
      settings[setting] = path.join(this.options.directory, `${setting}.pem`);
      this.writeOwned(settings[setting], content);
    }
    return settings;
  }

  /** Writes a file atomically: an owner file without its number would look like that of a running process. */
  private writeOwned(file: string, content: string): void {
    const aside = `${file}.new`;
    writeFileSync(aside, content, { mode: 0o600 });
    if (this.user) chownSync(aside, this.user.uid, this.user.gid);
    renameSync(aside, file);
  }

  /** Waits for a server whose parent was just killed: it is about to end. */
  private async awaitPredecessor(): Promise<PostmasterFile | undefined> {
    const deadline = performance.now() + PREDECESSOR_DEADLINE_MS;
    for (;;) {
      const predecessor = readPostmasterFile(this.dataDirectory);
      if (!predecessor || !isPostgresRunning(predecessor.pid)) return predecessor;
      if (this.isOwned() || performance.now() > deadline) {
        throw this.inUse(predecessor);
      }
      await sleep(POLL_MS);
    }
  }

  private async awaitReady(child: ChildProcess, predecessor: PostmasterFile | undefined): Promise<void> {
    const deadline = performance.now() + START_DEADLINE_MS;
    for (;;) {
      // A connection would work too, but needs a password and a driver; this file holds the server's state.
      const current = readPostmasterFile(this.dataDirectory);
      const isNew = current?.pid !== predecessor?.pid || current?.startedAt !== predecessor?.startedAt;
      if (current?.ready && isNew && current.port === this.port) return;
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
        await this.stop();
        // Another process was faster, on its own port.
        if (current && isNew && current.port !== this.port) throw this.inUse(current);
        throw clusterFailure(
          'The server did not start',
          this.options.directory,
          readFileSync(this.logFile, 'utf8'),
        );
      }
      await sleep(POLL_MS);
    }
  }

  private inUse({ pid }: PostmasterFile): PgkeepError {
    return new PgkeepError(
      'CLUSTER_IN_USE',
      `Cannot start PostgreSQL in ${this.options.directory}: a server already runs there (pid ${pid}).`,
      { hint: 'Stop the pgkeep process that started it, or use another directory.' },
    );
  }
}
