import { pgkeep, stock } from '../lib/contenders.mjs';
import { pace, requireAllOk } from '../lib/load.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { statementsDuring } from '../lib/statement-log.mjs';

const PROBES = 1000;

/**
 * Statements that reach PostgreSQL for a thousand probes. A long period keeps pgkeep's background evaluation out of
 * it, so that only statements caused by probes count; the stock app's thousand prove that the count works.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function queries(scene) {
  const own = await countedFor(scene, pgkeep(scene, { READINESS_REFRESH_MS: '600000' }));
  const theirs = await countedFor(scene, stock(scene));
  return [
    {
      measure: 'queries for 1,000 probes',
      value: String(own),
      against: `stock app ${theirs}`,
      ratio: own / theirs,
      reach: '0',
      met: own === 0,
    },
  ];
}

/**
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {import('../lib/server-process.mjs').Contender} contender
 */
async function countedFor(scene, contender) {
  const server = await ServerProcess.start(scene, contender);
  await server.answers();
  const statements = await statementsDuring(scene, async () => {
    requireAllOk(
      await pace(server.address, { rate: 500, durationMs: PROBES * 2, connections: 8 }),
      server.name,
    );
  });
  await server.kill();
  return statements.length;
}
