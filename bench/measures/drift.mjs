import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DIGESTS_QUERY } from '../../dist/drift/fingerprint-sql.js';
import { pgkeep } from '../lib/contenders.mjs';
import { pace } from '../lib/load.mjs';
import { largest, median, ms, percentile, seconds } from '../lib/numbers.mjs';
import { Psql } from '../lib/psql.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { timePgkeep } from '../lib/timed-program.mjs';

const DATABASE = 'drifting';
const TABLES = 10_000;
const ROUNDS = 5;
const RATE = 200;
const SLICE_MS = 1000;

/** Tables with defaults, checks, foreign keys and indexes, all of which PostgreSQL has to print. */
const MAKE_TABLES = `
  DO $$
  BEGIN
    FOR i IN 1..${TABLES} LOOP
      EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, name text NOT NULL DEFAULT ''x'',
        kind varchar(20) CHECK (kind IN (''a'', ''b'')), at timestamptz DEFAULT now(), price numeric(10, 2), data jsonb,
        before int REFERENCES t%s)', i, greatest(1, i - 1));
      EXECUTE format('CREATE INDEX ON t%s (at)', i);
      IF i % 500 = 0 THEN COMMIT; END IF;
    END LOOP;
  END $$`;

/**
 * The comparison for drift on 10,000 tables: its time at the server, and its effect on `/ready`.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function drift(scene) {
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  await scene.execute(DATABASE, [MAKE_TABLES, 'ANALYZE']);
  await timePgkeep(scene, DATABASE, ['install']);
  const recording = await timePgkeep(scene, DATABASE, ['migrate', 'drift', '--accept']);
  const atServer = await timeAtServer(scene);
  // A difference is reported when the comparison has ended.
  await scene.execute(DATABASE, ['ALTER TABLE t7 ADD by_hand int']);
  const { latencies, delay } = await probeUntilReported(scene);
  const p99 = percentile(latencies, 0.99);
  return [
    {
      measure: 'comparison for drift at the server, 10,000 tables',
      value: seconds(atServer),
      against: `the complete command that records them ${seconds(recording.wallMs)}`,
    },
    {
      measure: '/ready, p99 during a comparison for drift',
      value: ms(p99),
      against: `the slowest ${ms(largest(latencies))}`,
      reach: 'at most 20 ms',
      met: p99 <= 20,
    },
    {
      measure: '  its event loop’s delay, p99',
      value: ms(delay.p99),
      against: `the longest ${ms(delay.max)}; 5 ms of it are the measuring’s own`,
    },
  ];
}

/** @param {import('../lib/scene.mjs').Scene} scene */
async function timeAtServer(scene) {
  const psql = new Psql(scene, DATABASE);
  await psql.time('SET jit = off');
  const samples = [];
  for (let round = 0; round < ROUNDS; round += 1) samples.push(await psql.time(DIGESTS_QUERY));
  await psql.close();
  return median(samples);
}

/** @param {import('../lib/scene.mjs').Scene} scene */
async function probeUntilReported(scene) {
  const delayFile = path.join(scene.directory, 'drift-event-loop-delay.json');
  const settings = {
    DATABASE_URL: scene.url(DATABASE),
    BACKUP_ENABLED: 'false',
    NODE_OPTIONS: `--import=${new URL('../lib/event-loop-delay.mjs', import.meta.url)}`,
    BENCH_EVENT_LOOP_FILE: delayFile,
  };
  const server = await ServerProcess.start(scene, pgkeep(scene, settings));
  await server.answers(`${server.origin}/live`);
  // The work of the start must not count.
  await pace(server.address, { rate: RATE, durationMs: SLICE_MS, connections: 8 });
  process.kill(server.pid, 'SIGUSR2');
  /** @type {number[]} */
  const latencies = [];
  for (let body = ''; !body.includes('1 object differs');) {
    const load = await pace(server.address, { rate: RATE, durationMs: SLICE_MS, connections: 8 });
    latencies.push(...load.latencies);
    body = await (await fetch(server.address)).text();
  }
  /** @type {{p99: number, max: number}} */
  const delay = JSON.parse(readFileSync(delayFile, 'utf8'));
  await server.kill();
  return { latencies, delay };
}
