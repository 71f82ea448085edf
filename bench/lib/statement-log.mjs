import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Time for the setting to reach every backend, and for the log to reach its file. */
const SETTLE_MS = 300;

/**
 * Returns the statements that reach PostgreSQL during `work`, from the server's log.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @param {() => Promise<unknown>} work
 * @returns {Promise<string[]>} the statements, such as "SELECT 1"
 */
export async function statementsDuring(scene, work) {
  const { logFile } = scene.cluster;
  await setLogging(scene, 'all');
  const from = statSync(logFile).size;
  try {
    await work();
    await sleep(SETTLE_MS);
    return statementsIn(textOf(logFile, from));
  } finally {
    await setLogging(scene, 'none');
  }
}

/**
 * Returns the statements of every program but the bench. Continuation lines of a statement begin with a tab.
 *
 * @param {string} log
 */
function statementsIn(log) {
  return log
    .replaceAll('\n\t', ' ')
    .split('\n')
    .filter((line) => !line.startsWith('bench: '))
    .flatMap((line) => /: LOG: {2}(?:statement|execute \S+): (.*)$/.exec(line)?.[1] ?? []);
}

/**
 * @param {import('./scene.mjs').Scene} scene
 * @param {'all' | 'none'} which
 */
async function setLogging(scene, which) {
  await scene.execute('postgres', [
    `ALTER SYSTEM SET log_statement = '${which}'`,
    'SELECT pg_catalog.pg_reload_conf()',
  ]);
  await sleep(SETTLE_MS);
}

/**
 * @param {string} file
 * @param {number} from
 */
function textOf(file, from) {
  const bytes = Buffer.alloc(statSync(file).size - from);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, bytes, 0, bytes.length, from);
  } finally {
    closeSync(descriptor);
  }
  return bytes.toString('utf8');
}
