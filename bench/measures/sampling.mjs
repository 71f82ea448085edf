import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { probe } from '../lib/admin-run.mjs';
import { pgkeep } from '../lib/contenders.mjs';
import { mb, ms, percentile } from '../lib/numbers.mjs';
import {
  cpuSeconds,
  cpuSecondsWithChildren,
  nanosecondsOnCpu,
  privateBytes,
  residentBytes,
} from '../lib/proc.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { timePgkeep } from '../lib/timed-program.mjs';

const SIZES = [1000, 10_000];
/** Four samples, and the probes of one minute. */
const MINUTE_MS = 60_000;
const PROBE_SECONDS = 30;

/** @param {number} tables with a sequence, two indexes and a TOAST table each: six relations */
const makeTables = (tables) => `
  DO $$
  BEGIN
    FOR i IN 1..${tables} LOOP
      EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, note text, at timestamptz DEFAULT now())', i);
      EXECUTE format('CREATE INDEX ON t%s (at)', i);
      IF i % 500 = 0 THEN COMMIT; END IF;
    END LOOP;
  END $$`;

/**
 * What monitoring in the background costs, on 1,000 and on 10,000 tables: the CPU time of its connection in a minute,
 * the memory of that connection, the CPU time of the service, and `/ready` beside it.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function sampling(scene) {
  const rows = [];
  for (const tables of SIZES) rows.push(...(await measure(scene, tables)));
  return rows;
}

/**
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {number} tables
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
async function measure(scene, tables) {
  const database = `sampled_${tables}`;
  await scene.execute('postgres', [`CREATE DATABASE ${database}`]);
  await scene.execute(database, [makeTables(tables), 'ANALYZE']);
  await timePgkeep(scene, database, ['install']);
  const without = await observe(scene, database, { DB_MONITORING_ENABLED: 'false' });
  const sampled = await observe(scene, database, { DB_MONITORING_ENABLED: 'true' });
  const { backend } = sampled;
  if (!backend) throw new Error('the service does not sample');
  const count = tables.toLocaleString('en-US');
  const limitMs = tables > 1000 ? 600 : 10;
  const clientMs = sampled.clientMs - without.clientMs;
  return [
    {
      measure: `monitoring of ${count} tables, server CPU a minute`,
      value: ms(backend.cpuMs),
      against: `the first sample, with every probe ${ms(backend.firstMs)}; the new connections ${ms(sampled.endedMs - without.endedMs)}`,
      reach: `at most ${limitMs} ms`,
      met: backend.cpuMs <= limitMs,
    },
    {
      measure: '  memory of its connection',
      value: mb(backend.bytes),
      against: 'one backend, without shared buffers',
      reach: 'at most 60 MB',
      met: backend.bytes <= 60 * 1_048_576,
    },
    {
      measure: '  CPU of the service a minute',
      value: ms(clientMs),
      against: `without it ${ms(without.clientMs)}; memory ${mb(sampled.bytes)}, without it ${mb(without.bytes)}`,
      reach: 'at most 0.5 % of a core: 300 ms',
      met: clientMs <= 300,
    },
    {
      measure: '  /ready beside it, p99',
      value: ms(sampled.p99),
      against: `without it ${ms(without.p99)}`,
      ratio: sampled.p99 / without.p99,
      reach: 'at most 1.05',
      met: sampled.p99 / without.p99 <= 1.05,
    },
  ];
}

/**
 * Runs the service for a minute in peace, then under probes.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {string} database
 * @param {Record<string, string>} settings
 */
async function observe(scene, database, settings) {
  const environment = { DATABASE_URL: scene.url(database), BACKUP_ENABLED: 'false', ...settings };
  const server = await ServerProcess.start(scene, pgkeep(scene, environment));
  await server.answers(`${server.origin}/live`);
  // The start, and the first sample, which has every probe.
  await sleep(20_000);
  const pid = await backendOf(scene, database);
  const postmaster = scene.cluster.postmasterPid;
  const before = { client: cpuSeconds(server.pid), ended: cpuSecondsWithChildren(postmaster) };
  const firstMs = pid === undefined ? 0 : nanosecondsOnCpu(pid) / 1e6;
  await sleep(MINUTE_MS);
  const backend =
    pid === undefined
      ? undefined
      : { firstMs, cpuMs: nanosecondsOnCpu(pid) / 1e6 - firstMs, bytes: privateBytes(pid) };
  const clientMs = (cpuSeconds(server.pid) - before.client) * 1000;
  const endedMs = (cpuSecondsWithChildren(postmaster) - before.ended) * 1000;
  const bytes = residentBytes(server.pid);
  const p99 = percentile(await probe(server, PROBE_SECONDS), 0.99);
  await server.kill();
  return { backend, clientMs, endedMs, bytes, p99 };
}

/**
 * Returns the process of the connection that samples; undefined if there is none.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @param {string} database
 * @returns {Promise<number | undefined>}
 */
async function backendOf(scene, database) {
  const client = new pg.Client({ connectionString: scene.url(database) });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'pgkeep monitor' AND datname = current_database()`,
    );
    return rows[0]?.pid;
  } finally {
    await client.end();
  }
}
