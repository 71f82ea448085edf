import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { escapeIdentifier } from 'pg';
import { parseDatabaseUrl } from '../config/database-url.js';
import { packageFile } from '../core/package-file.js';
import { withConnection } from '../postgres/connect.js';
import { oneMessage } from '../postgres/mark.js';
import { type EmbeddedCluster, STATEMENTS } from '../cluster/embedded-cluster.js';

/** The guarded sample application, shipped with pgkeep. */
const CLINIC = packageFile('examples/clinic/prisma/');

export const CLINIC_MIGRATIONS = fileURLToPath(new URL('migrations', CLINIC));

const CONNECTION = {
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 60_000,
  applicationName: 'pgkeep embedded',
  purpose: 'scripts',
} as const;

/**
 * Creates the clinic's database in an embedded cluster, where it does not exist: migrated and seeded under another name,
 * then renamed, so that an interrupted start leaves no incomplete database.
 * @returns the connection URL.
 */
export async function openClinic(
  { cluster, rootCertificateFile, countsStatements }: EmbeddedCluster,
  name: string,
): Promise<string> {
  const parameters = { sslmode: 'verify-full', sslrootcert: rootCertificateFile };
  const maintenance = cluster.url('postgres', parameters);
  if (!(await exists(maintenance, name))) {
    const unfinished = `${name}_unfinished`;
    await execute(maintenance, `DROP DATABASE IF EXISTS ${escapeIdentifier(unfinished)}`);
    await execute(maintenance, `CREATE DATABASE ${escapeIdentifier(unfinished)}`);
    const url = cluster.url(unfinished, parameters);
    await fill(url);
    if (countsStatements) {
      // The slowest statements are those of the traffic, not of the seed.
      await execute(url, oneMessage(`CREATE EXTENSION ${STATEMENTS}`, `SELECT ${STATEMENTS}_reset()`));
    }
    await execute(
      maintenance,
      `ALTER DATABASE ${escapeIdentifier(unfinished)} RENAME TO ${escapeIdentifier(name)}`,
    );
  }
  return cluster.url(name, parameters);
}

async function fill(url: string): Promise<void> {
  const { applyMigrations } = await import('../migrations/schema-engine.js');
  await applyMigrations({ database: parseDatabaseUrl(url), directory: CLINIC_MIGRATIONS });
  await execute(url, await readFile(new URL('seed.sql', CLINIC), 'utf8'));
  await execute(url, 'ANALYZE');
}

async function exists(maintenance: string, name: string): Promise<boolean> {
  return await withConnection(parseDatabaseUrl(maintenance), CONNECTION, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    return rowCount === 1;
  });
}

async function execute(url: string, sql: string): Promise<void> {
  await withConnection(parseDatabaseUrl(url), CONNECTION, (client) => client.query(sql));
}
