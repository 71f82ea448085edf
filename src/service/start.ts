import { existsSync } from 'node:fs';
import path from 'node:path';
import { exitCodeOf, explain } from '../cli/errors.js';
import { STATE_DIRECTORY } from '../cluster/embedded-location.js';
import { findPostgresBinaries } from '../cluster/postgres-binaries.js';
import { wantsEmbedded } from '../config/database-settings.js';
import { loadEnvironment } from '../config/process-environment.js';
import { readSettings } from '../config/read-settings.js';
import { CHECK_NAMES } from '../readiness/checks.js';
import { serve } from './serve.js';

/**
 * `npm start`, `node dist/main.js`, `pgkeep serve`: starts the service, with an embedded PostgreSQL where no
 * database is configured outside production. Failing to start ends the process with its exit code.
 */
export async function start(environmentName?: string): Promise<void> {
  try {
    const { environment } = loadEnvironment(undefined, undefined, environmentName);
    const jsonLogs = !process.stderr.isTTY;
    if (!wantsEmbedded(environment)) {
      await serve(environment, { jsonLogs });
      return;
    }
    // Report faults of the other settings before a cluster is created.
    readSettings({ ...environment, DATABASE_URL: 'postgresql://embedded' }, process.cwd(), {
      checks: CHECK_NAMES,
    });
    const [{ startEmbedded }, { CLINIC_MIGRATIONS }] = await Promise.all([
      import('./embedded.js'),
      import('./clinic.js'),
    ]);
    const embedded = await startEmbedded(environment);
    const { app, url } = await serve(embedded.environment, { companion: embedded.companion, jsonLogs });
    const psql = psqlCommand(environment['PATH'] ?? '');
    process.stdout.write(welcome({ url, psql, migrationsDirectory: path.relative('', CLINIC_MIGRATIONS) }));
    const { makeFirstBackup, showDemo } = await import('./embedded.js');
    await makeFirstBackup(app);
    // After the first 200, which needs the backup.
    await showDemo(embedded.environment.DATABASE_URL);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(exitCodeOf(error));
  }
}

/** Returns the start of a command line that opens the embedded database with psql; the file holds its password. */
function psqlCommand(searchPath: string): string {
  const { bin, libraryPath } = findPostgresBinaries(path.resolve(STATE_DIRECTORY), searchPath);
  const file = path.join(bin, 'psql');
  const program = searchPath
    .split(path.delimiter)
    .some((directory) => existsSync(path.join(directory, 'psql')))
    ? 'psql'
    : [...(libraryPath === undefined ? [] : [`LD_LIBRARY_PATH=${libraryPath}`]), file].join(' ');
  return `${program} "$(node -p 'require("./${STATE_DIRECTORY}/embedded.json").url')"`;
}

interface WelcomeFacts {
  readonly url: string;
  readonly psql: string;
  readonly migrationsDirectory: string;
}

/** Returns what `npm start` prints once the embedded database is served: what to try first. */
function welcome({ url, psql, migrationsDirectory }: WelcomeFacts): string {
  const base = url.replace(/\/\/(0\.0\.0\.0|\[::\]|\[::1\]|127\.0\.0\.1)/, '//localhost');
  const migration = `${migrationsDirectory}/29991231000000_not_yet_applied`;
  return `
Dashboard: ${base}/
  Sign in with the admin token: cat ${STATE_DIRECTORY}/admin-token

pgkeep guards an embedded PostgreSQL (in ${STATE_DIRECTORY}/) with the database of a sample clinic. Try, in another terminal:

  Is the database safe to serve from?
    curl ${base}/ready
    npm run db:ready

  What is in it?
    curl -H "Authorization: Bearer $(cat ${STATE_DIRECTORY}/admin-token)" ${base}/admin/database/stats
    npm run db:stats

  Who may delete a patient? PostgreSQL refuses, whoever asks; which rules there are:
    ${psql} -c 'DELETE FROM children'
    npm run db:policy

  Is there a backup, and does it restore? (The first was made and tested just now.)
    npm run db:backup:list
    npm run db:restore:test

  What if a migration is pending? /ready returns 503 within five seconds, and 200 once the migration is gone.
    mkdir ${migration} && echo 'SELECT 1;' > ${migration}/migration.sql
    rm -r ${migration}

Ctrl-C stops the service and its PostgreSQL. Your own database: DATABASE_URL=postgresql://… MIGRATIONS_DIR=… npm start
`;
}
