import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_TOKEN, pgkeep } from '../lib/contenders.mjs';
import { median, ms } from '../lib/numbers.mjs';
import { Psql } from '../lib/psql.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { statementsDuring } from '../lib/statement-log.mjs';

const DATABASE = 'ten_thousand_tables';
const TABLES = 10_000;
const ROUNDS = 15;
const WARM_UP_ROUNDS = 3;

/** In several transactions: a single one would hold a lock on each table. */
const MAKE_TABLES = `
  DO $$
  BEGIN
    FOR i IN 1..${TABLES} LOOP
      EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, note text)', i);
      EXECUTE format('INSERT INTO t%s SELECT n, ''row '' || n FROM generate_series(1, %s) n', i, i % 7);
      IF i % 500 = 0 THEN COMMIT; END IF;
    END LOOP;
  END $$`;

/** A query as written by hand: the size of each table and of its indexes. */
const EVERY_SIZE = `
  SELECT n.nspname, c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`;

/**
 * `/admin/database/stats` on 10,000 tables, from request to last byte, against a query for each table's size in psql.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function stats(scene) {
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  await scene.execute(DATABASE, [MAKE_TABLES, 'ANALYZE']);
  const server = await ServerProcess.start(
    scene,
    pgkeep(scene, { DATABASE_URL: scene.url(DATABASE), READINESS_REFRESH_MS: '600000' }),
  );
  await server.answers(`${server.origin}/live`);
  const psql = new Psql(scene, DATABASE);
  const samples = { own: /** @type {number[]} */ ([]), raw: /** @type {number[]} */ ([]) };
  // The background work of a start must not be counted or timed.
  await sleep(2000);
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    const own = await timeOfRequest(server);
    const raw = await psql.time(EVERY_SIZE);
    if (round < WARM_UP_ROUNDS) continue;
    samples.own.push(own);
    samples.raw.push(raw);
  }
  await psql.close();
  const statements = await statementsDuring(scene, () => timeOfRequest(server));
  await server.kill();
  const [own, raw] = [median(samples.own), median(samples.raw)];
  const catalogueQueries = statements.filter((statement) => statement.includes('pg_catalog.pg_class')).length;
  return [
    {
      measure: '/admin/database/stats, 10,000 tables',
      value: ms(own),
      against: `the size of each table in psql ${ms(raw)}`,
      ratio: own / raw,
      reach: 'at most 1.0',
      met: own / raw <= 1,
    },
    {
      measure: '  catalogue queries',
      value: String(catalogueQueries),
      against: `${statements.length} statements, BEGIN and COMMIT among them`,
      reach: '1',
      met: catalogueQueries === 1,
    },
  ];
}

/**
 * @param {ServerProcess} server
 * @returns {Promise<number>} ms
 */
async function timeOfRequest(server) {
  const startedAt = performance.now();
  const answer = await fetch(`${server.origin}/admin/database/stats`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const body = await answer.text();
  const elapsed = performance.now() - startedAt;
  const { tableCount } = JSON.parse(body);
  if (tableCount !== TABLES)
    throw new Error(`the statistics list ${tableCount} tables: ${body.slice(0, 200)}`);
  return elapsed;
}
