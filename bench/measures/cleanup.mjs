import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { probe, probeBeside } from '../lib/admin-run.mjs';
import { pgkeep } from '../lib/contenders.mjs';
import { largest, mb, ms, percentile, seconds } from '../lib/numbers.mjs';
import { ServerProcess } from '../lib/server-process.mjs';
import { timePgkeep } from '../lib/timed-program.mjs';
import { PEOPLE_SCHEMA, PEOPLE_TABLES } from './privacy.mjs';

const DATABASE = 'marked_people';
/** Rows of two tables, all of them due. `BENCH_CLEANUP_ROWS=1000000` measures a million. */
const ROWS = Number(process.env.BENCH_CLEANUP_ROWS ?? 100_000);

/**
 * A cleanup of marked rows by the service (`POST /admin/privacy/cleanup`), and `/ready` meanwhile.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function cleanup(scene) {
  const marked = `now() - interval '40 days'`;
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  await scene.execute(DATABASE, [
    ...PEOPLE_TABLES,
    `INSERT INTO people SELECT i, 'person ' || i, ${marked} FROM generate_series(1, ${ROWS / 2}) i`,
    `INSERT INTO notes SELECT i, i, repeat('note ', 10), ${marked} FROM generate_series(1, ${ROWS / 2}) i`,
    'VACUUM ANALYZE',
  ]);
  const prisma = path.join(scene.directory, 'marked', 'prisma');
  mkdirSync(path.join(prisma, 'migrations'), { recursive: true });
  writeFileSync(path.join(prisma, 'schema.prisma'), PEOPLE_SCHEMA);
  const application = { MIGRATIONS_DIR: path.join(prisma, 'migrations') };
  await timePgkeep(scene, DATABASE, ['install']);
  await timePgkeep(scene, DATABASE, ['policy', 'apply'], application);
  const server = await ServerProcess.start(
    scene,
    pgkeep(scene, {
      ...application,
      DATABASE_URL: scene.url(DATABASE),
      BACKUP_DIR: path.join(scene.directory, 'cleanup'),
      PERMANENT_DELETE_MAX_PERCENT: '100',
    }),
  );
  await server.answers(`${server.origin}/live`);
  const before = await probe(server, 5);
  const { latencies, tookMs } = await probeBeside(server, '/admin/privacy/cleanup');
  const peak =
    Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024;
  await server.kill();
  const rate = ROWS / (tookMs / 1000);
  const p99 = percentile(latencies, 0.99);
  return [
    {
      measure: `a cleanup of ${ROWS.toLocaleString('en')} marked rows: rows a second`,
      value: rate.toFixed(0),
      against: `${seconds(tookMs)} in all, with their copies beside the backups`,
      reach: 'at least 5,000',
      met: rate >= 5000,
    },
    {
      measure: '  /ready meanwhile, p99',
      value: ms(p99),
      against: `before it ${ms(percentile(before, 0.99))}; the slowest ${ms(largest(latencies))}`,
      reach: 'at most 20 ms',
      met: p99 <= 20,
    },
    { measure: '  peak memory of the service', value: mb(peak), against: '' },
  ];
}
