import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { CommandResult } from './cli-hosts.js';
import { emptyDirectory, PgkeepProcess, runCli } from './pgkeep-process.js';

/** An application's directory with a Prisma schema that declares rules. */
export class PolicyApplication {
  readonly directory = emptyDirectory();

  constructor(
    readonly url: string,
    schema: string,
  ) {
    mkdirSync(path.join(this.directory, 'prisma/migrations'), { recursive: true });
    this.declare(schema);
  }

  /** Replaces the Prisma schema. @param text without the datasource, unless it has one */
  declare(text: string): void {
    const datasource = /^datasource/m.test(text) ? '' : 'datasource db {\n  provider = "postgresql"\n}\n';
    writeFileSync(path.join(this.directory, 'prisma/schema.prisma'), `${datasource}${text}`);
  }

  /** Removes the Prisma schema: the service beside a database has none. */
  remove(): void {
    rmSync(path.join(this.directory, 'prisma/schema.prisma'));
  }

  /** `pgkeep policy ARGV` to its end. */
  async policy(argv: readonly string[], environment: Record<string, string> = {}): Promise<CommandResult> {
    return await this.run(['policy', ...argv], environment);
  }

  /** Starts `pgkeep policy ARGV` as a process, to be killed. */
  start(argv: readonly string[]): PgkeepProcess {
    const settings = { NODE_ENV: 'test', DATABASE_URL: this.url };
    return new PgkeepProcess('cli', ['policy', ...argv], settings, { cwd: this.directory });
  }

  /** `pgkeep ARGV` to its end. */
  async run(argv: readonly string[], environment: Record<string, string> = {}): Promise<CommandResult> {
    const settings = { NODE_ENV: 'test', DATABASE_URL: this.url, ...environment };
    return await runCli(argv, settings, { cwd: this.directory });
  }
}
