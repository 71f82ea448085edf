// `npm run bench`: measures pgkeep side by side with its alternatives on this machine, and prints a table.
// A measurement, not a test: exit code 0 whatever the results. `node bench/run.mjs start stats` measures only these.
import { setUpOrExit } from '../scripts/lib/set-up.mjs';

if (process.platform !== 'linux') {
  console.error('The bench reads CPU times and memory from /proc, which only Linux has.');
  process.exit(1);
}
await setUpOrExit();
// These import what the set-up installs and builds.
const { Scene } = await import('./lib/scene.mjs');
const { firstStart } = await import('./lib/contenders.mjs');
const { table } = await import('./lib/table.mjs');
const { machine, Neighbours } = await import('./lib/machine.mjs');
const { MEASURES } = await import('./measures/index.mjs');

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(MEASURES, name));
if (unknown.length > 0) {
  console.error(
    `Unknown measure: ${unknown.join(', ')}. Known measures: ${Object.keys(MEASURES).join(', ')}.`,
  );
  process.exit(2);
}

const scene = new Scene();
let isInterrupted = false;
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, () => {
    isInterrupted = true;
    void scene.close().finally(() => process.exit(code));
  });
}

/**
 * Reports the progress of the run on stderr.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 */
async function reported(title, work) {
  const startedAt = performance.now();
  process.stderr.write(`bench: ${title} … `);
  const result = await work();
  process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`);
  return result;
}

const neighbours = new Neighbours();
/** @type {import('./lib/table.mjs').Row[]} */
const rows = [];
try {
  const body = await reported('PostgreSQL, sample database, first start', async () => {
    await scene.startCluster();
    return await firstStart(scene);
  });
  for (const [name, { title, measure }] of Object.entries(MEASURES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    rows.push(...(await reported(title, () => measure(scene, { body }))));
  }
} catch (error) {
  if (!isInterrupted) throw error;
} finally {
  if (!isInterrupted) await scene.close();
}
if (!isInterrupted) console.log(`\n${machine()}; ${neighbours.describe()}\n\n${table(rows)}`);
