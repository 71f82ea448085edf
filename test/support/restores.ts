import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import type { BackupReport } from '../../src/backup/backup.types.js';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { run } from '../../src/core/process/run.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { RestoreTestService } from '../../src/restore/test/restore-test.service.js';
import type { RestoreTestReport } from '../../src/restore/test/restore-test.types.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

/** Runs `work` with the service of these settings, as an importing application would. */
export async function withRestoreTests<T>(
  environment: Environment,
  work: (tests: RestoreTestService) => Promise<T>,
): Promise<T> {
  const app = await NestFactory.createApplicationContext(
    PgkeepModule.forRoot(readSettings({ NODE_ENV: 'test', PATH: process.env['PATH'], ...environment })),
    { logger: false, abortOnError: false },
  );
  try {
    return await work(app.get(RestoreTestService));
  } finally {
    await app.close();
  }
}

/**
 * Puts stock pg_dump's archive of another database into a backup, and makes the manifest's size and digest fit:
 * differences can only be found by comparing the restored database.
 */
export async function replaceArchive(backup: BackupReport, url: string): Promise<void> {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath };
  const dumped = await run(
    path.join(BINARIES.bin, 'pg_dump'),
    ['--format=custom', '--compress=1', `--file=${backup.archive}`, '--dbname', url],
    { env },
  );
  expect(dumped).toMatchObject({ exitCode: 0 });
  signManifest(backup);
}

/** Makes the manifest's size and digest those of the archive. */
export function signManifest({ archive, manifest }: BackupReport): void {
  const bytes = readFileSync(archive);
  const parsed: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  if (typeof parsed !== 'object') throw new Error('not a manifest');
  const signed = { ...parsed, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  writeFileSync(manifest, JSON.stringify(signed));
}

/** The comparisons that failed. */
export function faultsOf({ comparisons }: RestoreTestReport): Record<string, string> {
  return Object.fromEntries(comparisons.filter(({ ok }) => !ok).map(({ name, details }) => [name, details]));
}

/** The differences that are reported without failing the test. */
export function reportedBy({ comparisons }: RestoreTestReport): Record<string, readonly string[]> {
  return Object.fromEntries(
    comparisons.filter(({ reported }) => reported.length > 0).map(({ name, reported }) => [name, reported]),
  );
}
