// For the Prisma configurations of this repository. An application imports the same from `pgkeep/prisma`.
import { existsSync, readFileSync } from 'node:fs';

export { useSchemaEngine } from '../bin/use-schema-engine.mjs';

/** Commands that need no guard; the build itself starts with `generate`, when there is no dist/ yet. */
const WITHOUT_DATABASE = new Set([undefined, 'generate', 'validate', 'format', 'version', '--version', '-v']);

/**
 * `guardedConfig` of `pgkeep/prisma`, from dist/.
 *
 * @template {{ datasource?: { url?: string, shadowDatabaseUrl?: string } }} Config
 * @param {Config} config
 * @returns {Promise<Config>}
 */
export async function guardedConfig(config) {
  const [, , command] = process.argv;
  if (WITHOUT_DATABASE.has(command)) return config;
  const { guardedConfig: guarded } = await import('../dist/prisma.js').catch((error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.error(
      'Refused: pgkeep is not built, so its guard cannot run. Run `npm run build`, then try again.',
    );
    process.exit(3);
  });
  return await guarded(config);
}

/**
 * The database to work on: DATABASE_URL (of the shell, or of .env), otherwise the embedded PostgreSQL that `npm start`
 * runs in this directory. Undefined if there is neither.
 *
 * @returns {string | undefined}
 */
export function configuredUrl() {
  // Like pgkeep's own command: variables of the shell win.
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { DATABASE_URL: url, NODE_ENV: environment } = process.env;
  const embedded = '.pgkeep/embedded.json';
  if (url || environment === 'production' || !existsSync(embedded)) return url;
  return JSON.parse(readFileSync(embedded, 'utf8')).url;
}
