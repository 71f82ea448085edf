import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ServerProcess } from './server-process.mjs';

const scriptOf = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

export const ADMIN_TOKEN = 'bench-admin-token-of-more-than-32-characters';

/**
 * pgkeep as in production, without any fault: `/ready` says 200 once the database is stamped.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @param {Record<string, string>} [settings]
 * @returns {import('./server-process.mjs').Contender}
 */
export function pgkeep(scene, settings = {}) {
  return {
    name: 'pgkeep',
    script: scriptOf('../../dist/main.js'),
    route: '/ready',
    environment: {
      DATABASE_URL: scene.clinicUrl ?? '',
      DATABASE_MAX_CONNECTIONS: '10',
      MIGRATIONS_DIR: scene.clinicMigrations,
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      BACKUP_ENABLED: 'true',
      BACKUP_RETENTION_DAYS: '30',
      BACKUP_DIR: join(scene.directory, 'service-backups'),
      LAST_BACKUP_RESTORE_TEST_DATE: new Date().toISOString().slice(0, 10),
      ...settings,
    },
  };
}

/**
 * The typical application: see stock-app.mjs.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @returns {import('./server-process.mjs').Contender}
 */
export function stock(scene) {
  return {
    name: 'stock app',
    script: scriptOf('../stock-app.mjs'),
    route: '/health',
    environment: { DATABASE_URL: scene.clinicUrl ?? '' },
  };
}

/**
 * The least that a Node.js server can do: see bare-server.mjs.
 *
 * @param {string} body what it answers
 * @returns {import('./server-process.mjs').Contender}
 */
export function bare(body) {
  return {
    name: 'bare node:http',
    script: scriptOf('../bare-server.mjs'),
    route: '/ready',
    environment: { BODY: body },
  };
}

/**
 * Starts pgkeep for the first time, so that its schema is installed and the database is stamped.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @returns {Promise<string>} the body of /ready
 */
export async function firstStart(scene) {
  const server = await ServerProcess.start(scene, pgkeep(scene));
  await server.answers();
  for (;;) {
    const body = await (await fetch(server.address)).text();
    if (!body.includes('not stamped')) {
      await server.kill();
      return body;
    }
    await sleep(50);
  }
}
