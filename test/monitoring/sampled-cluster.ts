import { Logger } from '@nestjs/common';
import { createDatabase } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { Replica } from './replica.js';

/** A cluster with a new database for each test, in which pgkeep is installed, and the replicas that sample it. */
export class SampledCluster {
  private databases = 0;
  private readonly opened: Replica[] = [];

  private constructor(
    readonly own: ThrowAwayCluster,
    private readonly prefix: string,
  ) {}

  /** @param prefix of the databases' names */
  static async start(
    prefix: string,
    options: Parameters<typeof startThrowAwayCluster>[0] = {},
  ): Promise<SampledCluster> {
    Logger.overrideLogger(false);
    const own = await startThrowAwayCluster(options);
    const template = await createDatabase(own, 'template');
    const { code, stderr } = await runCli(['install'], { DATABASE_URL: template });
    if (code !== 0) throw new Error(stderr);
    return new SampledCluster(own, prefix);
  }

  /** The name of the newest database. */
  get database(): string {
    return `${this.prefix}_${this.databases}`;
  }

  /** Creates the database of a test, and returns its URL. */
  async nextDatabase(): Promise<string> {
    this.databases += 1;
    return await createDatabase(this.own, this.database, 'template');
  }

  async open(url: string, environment: Readonly<Record<string, string>> = {}): Promise<Replica> {
    const replica = await Replica.open(url, environment);
    this.opened.push(replica);
    return replica;
  }

  /** Ends one replica before the end of its test. */
  async close(replica: Replica): Promise<void> {
    this.opened.splice(this.opened.indexOf(replica), 1);
    await replica.close();
  }

  async closeReplicas(): Promise<void> {
    await Promise.all(this.opened.splice(0).map((replica) => replica.close()));
  }

  async destroy(): Promise<void> {
    await this.own.cluster.destroy();
  }
}
