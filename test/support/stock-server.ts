import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { until } from './until.js';

/** A program of Debian's that listens on a loopback address, with its log in its own directory. */
export class StockServer {
  readonly url: string;
  private readonly logFile: string;
  private readonly process: ChildProcess;

  private constructor(
    private readonly name: string,
    { command, directory, address }: { command: readonly string[]; directory: string; address: string },
  ) {
    this.url = `http://${address}`;
    this.logFile = path.join(directory, 'log');
    const log = openSync(this.logFile, 'w');
    const [program = '', ...argv] = command;
    this.process = spawn(program, argv, { stdio: ['ignore', log, log] });
  }

  /** @throws Error with its log where it does not become ready. */
  static async start(
    name: string,
    options: { command: readonly string[]; directory: string; address: string },
  ): Promise<StockServer> {
    const server = new StockServer(name, options);
    await until(() => server.isReady()).catch(async (error: unknown) => {
      await server.stop();
      throw new Error(server.log, { cause: error });
    });
    return server;
  }

  get log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGTERM');
    await once(this.process, 'exit');
  }

  private async isReady(): Promise<boolean> {
    if (this.process.exitCode !== null) throw new Error(`${this.name} has ended`);
    return await fetch(`${this.url}/-/ready`).then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}
