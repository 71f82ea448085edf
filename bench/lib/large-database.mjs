/** Rows of about 200 bytes: compressible text, numbers, a timestamp; a primary key and one more index. */
const ROW = `i, md5(i::text) || md5((i * 7)::text), repeat(md5((i % 1000)::text), 2),
             timestamptz '2026-01-01' + i * interval '1 s', (i * 31) % 9973, md5((i % 77)::text)`;

/** Approximate bytes of table per row. */
const BYTES_PER_ROW = 216;

/**
 * Creates a database of about this many bytes (its table, plus the indexes), or uses the existing one.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @param {string} name
 * @param {number} bytes
 */
export async function makeLargeDatabase(scene, name, bytes) {
  if (scene.databases.has(name)) return;
  scene.databases.add(name);
  const rows = Math.round(bytes / BYTES_PER_ROW);
  await scene.execute('postgres', [`CREATE DATABASE ${name}`]);
  await scene.execute(name, [
    'CREATE TABLE events (id int PRIMARY KEY, token text, note text, seen_at timestamptz, n int, kind text)',
    `INSERT INTO events SELECT ${ROW} FROM generate_series(1, ${rows}) i`,
    'CREATE INDEX events_seen_at ON events (seen_at)',
    'VACUUM ANALYZE events',
    'CHECKPOINT',
  ]);
}
