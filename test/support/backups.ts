import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { Client } from 'pg';
import { BackupService } from '../../src/backup/backup.service.js';
import type { TableContents } from '../../src/backup/backup.types.js';
import { beginSnapshot } from '../../src/backup/create/snapshot.js';
import { listTables, readContents } from '../../src/backup/create/table-contents.js';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { run, type RunResult } from '../../src/core/process/run.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { type Catalogue, readCatalogue } from '../../src/postgres/catalogue/read-catalogue.js';
import { withConnection } from '../../src/postgres/connect.js';

/** PostgreSQL's own programs, in the version of the tests' clusters. */
const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

/** The major version of the pg_dump that backs up the tests' clusters. */
export async function pgDumpMajor(): Promise<number> {
  const env = { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: BINARIES.libraryPath };
  const { stdout } = await run(path.join(BINARIES.bin, 'pg_dump'), ['--version'], { env });
  return Number(/(\d+)\./.exec(stdout)?.[1]);
}

/** An empty directory for backups. */
export function backupDirectory(): string {
  return mkdtempSync(path.join(tmpdir(), 'pgkeep-backups-'));
}

/** Runs `work` with the service of these settings, as an importing application would. */
export async function withBackups<T>(
  environment: Environment,
  work: (backups: BackupService) => Promise<T>,
): Promise<T> {
  const app = await NestFactory.createApplicationContext(
    PgkeepModule.forRoot(readSettings({ NODE_ENV: 'test', ...environment })),
    { logger: false, abortOnError: false },
  );
  try {
    return await work(app.get(BackupService));
  } finally {
    await app.close();
  }
}

/** `pg_restore --exit-on-error` of PostgreSQL itself, into an existing database. */
export async function stockRestore(archive: string, url: string): Promise<RunResult> {
  return await run(path.join(BINARIES.bin, 'pg_restore'), ['--exit-on-error', '--dbname', url, archive], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
  });
}

/** Runs PostgreSQL's own `pg_dump`, to SQL, as other tools do. */
export function stockDump(url: string, options: readonly string[] = []): Buffer {
  return execFileSync(path.join(BINARIES.bin, 'pg_dump'), [...options, '--dbname', url], {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
    maxBuffer: 1e9,
  });
}

/** Runs PostgreSQL's own `psql`: one transaction that stops at the first error. @throws Error if it fails. */
export async function stockPsql(sql: Buffer, url: string): Promise<void> {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-sql-')), 'dump.sql');
  writeFileSync(file, sql);
  const argv = ['--no-psqlrc', '--quiet', '-1', '-v', 'ON_ERROR_STOP=1', '--file', file, url];
  const { exitCode, stderrTail } = await run(path.join(BINARIES.bin, 'psql'), argv, {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
  });
  if (exitCode !== 0) throw new Error(`psql ended with exit code ${exitCode}: ${stderrTail}`);
}

/** What psql prints to standard error for SQL: errors, hints and their context. */
export async function psqlTranscript(sql: string, url: string): Promise<string> {
  const argv = ['--no-psqlrc', '--quiet', '--command', sql, url];
  const { stderrTail } = await run(path.join(BINARIES.bin, 'psql'), argv, {
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
  });
  return stderrTail;
}

/** Returns structure and contents of a database, from one snapshot. */
export async function holdings(url: string): Promise<{ catalogue: Catalogue; tables: TableContents[] }> {
  const options = { connectTimeoutMs: 5000, answerTimeoutMs: 0, applicationName: 'test' };
  return await withConnection(parseDatabaseUrl(url), options, async (client: Client) => {
    const snapshot = await beginSnapshot(client);
    try {
      return {
        catalogue: await readCatalogue(client),
        tables: await readContents(client, await listTables(client, { unlogged: true })),
      };
    } finally {
      snapshot.release();
    }
  });
}
