import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, escapeIdentifier, type QueryResult } from 'pg';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyMigrations } from '../../src/migrations/engine/apply-migrations.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';

/** The guarded sample application's migrations. */
export const CLINIC_MIGRATIONS = path.resolve('examples/clinic/prisma/migrations');

/** Runs statements as the superuser. */
export async function query(url: string, sql: string, values: unknown[] = []): Promise<QueryResult> {
  const client = new Client({ connectionString: url.replace(/\?.*$/, '') });
  await client.connect();
  try {
    return await client.query(sql, values);
  } finally {
    await client.end();
  }
}

export async function createDatabase(
  { cluster }: ThrowAwayCluster,
  name: string,
  template = 'template0',
): Promise<string> {
  await query(
    cluster.url('postgres'),
    `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)}`,
  );
  return cluster.url(name);
}

/** A database with the clinic migrated into it, and its rows where `seeded`. */
export async function createClinic(
  own: ThrowAwayCluster,
  name: string,
  { seeded = false } = {},
): Promise<string> {
  const url = await createDatabase(own, name);
  await applyMigrations({ database: parseDatabaseUrl(url), directory: CLINIC_MIGRATIONS });
  if (seeded) {
    await query(url, readFileSync(path.resolve('examples/clinic/prisma/seed.sql'), 'utf8'));
    await query(url, 'ANALYZE');
  }
  return url;
}

/** The URL over TLS, verified. */
export function verified(own: ThrowAwayCluster, url: string): string {
  return `${url}?sslmode=verify-full&sslrootcert=${own.rootCertificateFile}`;
}
