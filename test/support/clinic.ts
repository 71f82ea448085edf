import { Client, escapeIdentifier, type QueryResult } from 'pg';
import { CLINIC_TEMPLATE, SEEDED_CLINIC_TEMPLATE } from './template-cluster.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';

export { CLINIC_MIGRATIONS } from './template-cluster.js';

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
  return await createDatabase(own, name, seeded ? SEEDED_CLINIC_TEMPLATE : CLINIC_TEMPLATE);
}

/** The URL with verified TLS. */
export function verified(own: ThrowAwayCluster, url: string): string {
  return `${url}?sslmode=verify-full&sslrootcert=${own.rootCertificateFile}`;
}
