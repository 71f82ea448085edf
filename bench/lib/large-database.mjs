/** Rows of about 200 bytes: text that packs, numbers, a timestamp; a primary key and one more index. */
const ROW = `i, md5(i::text) || md5((i * 7)::text), repeat(md5((i % 1000)::text), 2),
             timestamptz '2026-01-01' + i * interval '1 s', (i * 31) % 9973, md5((i % 77)::text)`;

/** About how many bytes of table a row takes. */
const BYTES_PER_ROW = 216;

/**
 * Makes a database of about so many bytes (its table; the indexes come on top), or takes the one that is there.
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
