import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CLINIC_MIGRATIONS } from './clinic.js';
import { emptyDirectory, PgkeepProcess, runCli } from './pgkeep-process.js';

/** An application's directory from which migrations are deployed, with those of the clinic or none. */
export class DeployedApplication {
  readonly directory = emptyDirectory();
  readonly migrations = path.join(this.directory, 'prisma/migrations');

  constructor(
    readonly url: string,
    { clinic = true } = {},
  ) {
    mkdirSync(this.migrations, { recursive: true });
    if (clinic) cpSync(CLINIC_MIGRATIONS, this.migrations, { recursive: true });
    else writeFileSync(path.join(this.migrations, 'migration_lock.toml'), 'provider = "postgresql"\n');
  }

  add(name: string, sql: string | Uint8Array, down?: string): this {
    mkdirSync(path.join(this.migrations, name), { recursive: true });
    writeFileSync(path.join(this.migrations, name, 'migration.sql'), sql);
    if (down !== undefined) writeFileSync(path.join(this.migrations, name, 'down.sql'), down);
    return this;
  }

  /** Writes another file of the migrations directory. */
  write(file: string, content: string): void {
    writeFileSync(path.join(this.migrations, file), content);
  }

  remove(name: string): this {
    rmSync(path.join(this.migrations, name), { recursive: true });
    return this;
  }

  /** Runs `pgkeep migrate ARGV` to its end. */
  async migrate(argv: readonly string[], environment: Record<string, string> = {}) {
    return await runCli(['migrate', ...argv], this.environment(environment), { cwd: this.directory });
  }

  /** Runs `pgkeep migrate deploy ARGV` to its end. */
  async deploy(argv: readonly string[] = [], environment: Record<string, string> = {}) {
    return await this.migrate(['deploy', ...argv], environment);
  }

  /** Runs `pgkeep migrate deploy ARGV` without a backup, for tests that do not need one. */
  async quickly(argv: readonly string[] = [], environment: Record<string, string> = {}) {
    return await this.deploy(['--without-backup', ...argv], environment);
  }

  start(
    argv: readonly string[] = [],
    environment: Record<string, string> = {},
    verb = 'deploy',
  ): PgkeepProcess {
    return new PgkeepProcess('cli', ['migrate', verb, ...argv], this.environment(environment), {
      cwd: this.directory,
    });
  }

  private environment(more: Record<string, string>): Record<string, string> {
    return { NODE_ENV: 'test', DATABASE_URL: this.url, ...more };
  }
}
