import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { escapeIdentifier } from 'pg';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { withConnection } from '../../src/postgres/connect.js';
import { createDatabase } from './clinic.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';

const NAME = '20260101000000_init';
const SCRIPT = 'CREATE TABLE guarded ();\n';

/** The smallest guarded application: one migration, applied. */
export interface GuardedDatabase {
  /** The URL of the superuser. */
  readonly url: string;
  readonly migrationsDirectory: string;
}

/** Creates a database with one applied migration, without the engine, which these tests do not need. */
export async function createGuarded(
  own: ThrowAwayCluster,
  name: string,
  schema = 'public',
): Promise<GuardedDatabase> {
  const url = await createDatabase(own, name);
  const quoted = escapeIdentifier(schema);
  await execute(
    url,
    `CREATE SCHEMA IF NOT EXISTS ${quoted};
     CREATE TABLE ${quoted}.guarded ();
     CREATE TABLE ${quoted}._prisma_migrations (
       id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
       migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
       started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0);
     INSERT INTO ${quoted}._prisma_migrations (id, checksum, finished_at, migration_name)
     VALUES ('1', '${createHash('sha256').update(SCRIPT).digest('hex')}', now(), '${NAME}')`,
  );
  return { url, migrationsDirectory: migrationsDirectory() };
}

/** Runs statements. Unlike pg's own parser of URLs, this accepts every name. */
export async function execute(url: string, sql: string): Promise<void> {
  const options = { connectTimeoutMs: 5000, answerTimeoutMs: 20_000, applicationName: 'test' };
  await withConnection(parseDatabaseUrl(url), options, (client) => client.query(sql));
}

/** A migrations directory with the one migration in it. */
export function migrationsDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-migrations-'));
  mkdirSync(path.join(directory, NAME));
  writeFileSync(path.join(directory, NAME, 'migration.sql'), SCRIPT);
  return directory;
}

/** The URL with other parts: `{ user, password, host, … }` set, `parameters` added. */
export function changedUrl(
  url: string,
  changes: Partial<Record<'username' | 'password' | 'hostname' | 'port' | 'pathname', string>>,
  parameters: Readonly<Record<string, string>> = {},
): string {
  const changed = Object.assign(new URL(url), changes);
  for (const [name, value] of Object.entries(parameters)) changed.searchParams.set(name, value);
  return changed.href;
}
