import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { Client, escapeIdentifier } from 'pg';
import type { Cluster } from '../../src/cluster/cluster.js';

const PRISMA = path.resolve('node_modules/prisma/build/index.js');

/** The module that names pgkeep's schema engine to Prisma's CLI. */
const ENGINE_LOCATION = path.resolve('bin/use-schema-engine.mjs');
/** The executable of the package that pgkeep's is built on. */
export const BRIDGE = path.resolve('packages/prisma-schema-engine-bridge/bin/prisma-schema-engine');

export const CHILDREN = `model Child {
  id   Int    @id @default(autoincrement())
  name String
}`;

/** What one run of a program printed (stdout and stderr, without colours), and how it ended. */
export interface Printed {
  readonly output: string;
  readonly exitCode: number | null;
}

/** A throw-away application with a Prisma schema and migrations, in its own directory. */
export class PrismaApplication {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-engine-'));
  readonly migrations = path.join(this.directory, 'prisma', 'migrations');

  /** @param engine the schema engine to use, named by `PRISMA_SCHEMA_ENGINE_BINARY`. Defaults to pgkeep's. */
  constructor(
    readonly url: string | undefined,
    private readonly engine?: string,
  ) {
    mkdirSync(this.migrations, { recursive: true });
    symlinkSync(path.resolve('node_modules'), path.join(this.directory, 'node_modules'));
    this.write('prisma/migrations/migration_lock.toml', 'provider = "postgresql"\n');
    this.write(
      'prisma.config.ts',
      `${engine === undefined ? `import { useSchemaEngine } from '${ENGINE_LOCATION}';` : 'const useSchemaEngine = (url) => url;'}
       export default {
         schema: 'prisma/schema.prisma',
         migrations: { path: 'prisma/migrations' },
         datasource: { url: useSchemaEngine(process.env.DATABASE_URL), shadowDatabaseUrl: process.env.SHADOW_DATABASE_URL },
       };`,
    );
    this.writeSchema(CHILDREN);
  }

  /** Replaces the models of the Prisma schema. */
  writeSchema(models: string, generator = ''): void {
    this.write(
      'prisma/schema.prisma',
      `generator client {
         provider = "prisma-client"
         output   = "./generated"
         ${generator}
       }
       datasource db {
         provider = "postgresql"
       }
       ${models}`,
    );
  }

  /** Writes one migration's script. */
  addMigration(name: string, script: string): void {
    this.write(`prisma/migrations/${name}/migration.sql`, script);
  }

  write(file: string, content: string): void {
    const target = path.join(this.directory, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }

  /** Starts the real Prisma CLI. */
  start(argv: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): ChildProcess {
    return spawn(process.execPath, [PRISMA, ...argv], {
      cwd: this.directory,
      env: prismaEnvironment({
        DATABASE_URL: this.url,
        ...(this.engine !== undefined && { PRISMA_SCHEMA_ENGINE_BINARY: this.engine }),
        ...env,
      }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Runs the real Prisma CLI: `prisma('migrate deploy')`. */
  async prisma(command: string, env: Readonly<Record<string, string | undefined>> = {}): Promise<Printed> {
    return await finished(this.start(command.split(' '), env));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The environment of Prisma's CLI in these tests: no engine set, no inherited password, no network. */
export function prismaEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: undefined,
    PGPASSWORD: undefined,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    NO_COLOR: '1',
    // A download would fail immediately instead of being tried for a minute.
    PRISMA_ENGINES_MIRROR: 'http://127.0.0.1:9',
    ...env,
  };
}

/** Waits for a program's end. */
export async function finished(child: ChildProcess): Promise<Printed> {
  const [stdout, stderr, [exitCode]] = await Promise.all([
    child.stdout ? text(child.stdout) : '',
    child.stderr ? text(child.stderr) : '',
    once(child, 'close'),
  ]);
  return {
    output: stripVTControlCharacters(stdout + stderr),
    exitCode: typeof exitCode === 'number' ? exitCode : null,
  };
}

/** Makes an empty database. @returns its URL. */
export async function createDatabase(cluster: Cluster, name: string): Promise<string> {
  await query(cluster.url('postgres'), `CREATE DATABASE ${escapeIdentifier(name)}`);
  return cluster.url(name);
}

/** Runs statements on a dedicated connection. @returns the rows of the last. */
export async function query<Row extends Record<string, unknown>>(url: string, sql: string): Promise<Row[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The names of the shadow databases that exist. */
export async function shadowDatabases(cluster: Cluster): Promise<string[]> {
  const rows = await query<{ name: string }>(
    cluster.url('postgres'),
    "SELECT datname AS name FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow_db_%'",
  );
  return rows.map(({ name }) => name);
}
