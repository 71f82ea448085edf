import path from 'node:path';
import { STATE_DIRECTORY } from '../cluster/embedded-location.js';
import { wantsEmbedded } from '../config/database-settings.js';
import { loadEnvironment } from '../config/process-environment.js';
import { readSettings } from '../config/read-settings.js';
import { exitCodeOf } from '../cli/exit-codes.js';
import { explain } from '../cli/explain.js';
import { serve } from './serve.js';
import { welcome } from './welcome.js';

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
    // Faults of the other settings are told before a cluster is made for nothing.
    readSettings({ ...environment, DATABASE_URL: 'postgresql://embedded' });
    const [{ startEmbedded }, { CLINIC_MIGRATIONS }] = await Promise.all([
      import('./embedded.js'),
      import('./clinic.js'),
    ]);
    const embedded = await startEmbedded(environment);
    const { app, url } = await serve(embedded.environment, { companion: embedded.companion, jsonLogs });
    process.stdout.write(welcome(url, path.relative('', CLINIC_MIGRATIONS), STATE_DIRECTORY));
    const { makeFirstBackup } = await import('./first-backup.js');
    await makeFirstBackup(app);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(exitCodeOf(error));
  }
}
