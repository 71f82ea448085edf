import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mb, ms, seconds } from '../lib/numbers.mjs';
import { timePgkeep } from '../lib/timed-program.mjs';

const DATABASE = 'people';
const MANY = 100_000;
const SOME = 5000;
/** Node.js itself takes two thirds of it. */
const MOST_BYTES = 150 * 1_048_576;

/** A person with notes; what deletes the person deletes them. */
export const PEOPLE_SCHEMA = `
/// @pgkeep.subject
model Person {
  id        Int       @id
  name      String /// @pgkeep.personal(name)
  deletedAt DateTime? @db.Timestamptz(3)
  notes     Note[]

  @@map("people")
}

model Note {
  id        Int       @id
  personId  Int
  body      String /// @pgkeep.personal(text)
  deletedAt DateTime? @db.Timestamptz(3)
  person    Person    @relation(fields: [personId], references: [id], onDelete: Cascade)

  @@map("notes")
}
`;

/** Its tables, and the index that a deletion needs. */
export const PEOPLE_TABLES = [
  `CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, "deletedAt" timestamptz(3))`,
  `CREATE TABLE notes (id int PRIMARY KEY, "personId" int NOT NULL REFERENCES people ON DELETE CASCADE, body text NOT NULL,
    "deletedAt" timestamptz(3))`,
  `CREATE INDEX ON notes ("personId")`,
];

const ROWS = [
  `INSERT INTO people SELECT i, 'person ' || i FROM generate_series(1, 1000) i`,
  `INSERT INTO notes SELECT i, CASE WHEN i <= ${MANY} THEN 1 WHEN i <= ${MANY + SOME} THEN 2 ELSE 3 + i % 900 END, repeat('note ', 40)
     FROM generate_series(1, ${MANY * 2}) i`,
  'ANALYZE',
];

/**
 * The export of people with few and with many rows, and the erasure of one.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function privacy(scene) {
  await scene.execute('postgres', [`CREATE DATABASE ${DATABASE}`]);
  await scene.execute(DATABASE, [...PEOPLE_TABLES, ...ROWS]);
  const prisma = path.join(scene.directory, 'people', 'prisma');
  mkdirSync(path.join(prisma, 'migrations'), { recursive: true });
  writeFileSync(path.join(prisma, 'schema.prisma'), PEOPLE_SCHEMA);
  const settings = { MIGRATIONS_DIR: path.join(prisma, 'migrations') };
  await timePgkeep(scene, DATABASE, ['install']);
  await timePgkeep(scene, DATABASE, ['policy', 'apply'], settings);
  /** @param {string} verb @param {number} id @param {readonly string[]} more */
  const run = async (verb, id, more) =>
    await timePgkeep(scene, DATABASE, ['privacy', verb, 'Person', String(id), ...more], settings);
  const out = ['--out', path.join(scene.directory, 'exports')];
  const small = await run('export', 3, out);
  const some = await run('export', 2, out);
  const many = await run('export', 1, out);
  const asked = ['--by', 'bench', '--because', 'bench'];
  const one = await run('erase', 3, asked);
  const erased = await run('erase', 1, asked);
  const each = (erased.wallMs - one.wallMs) / MANY;
  return [
    {
      measure: 'pgkeep privacy export, 5,000 rows of a person',
      value: seconds(some.wallMs),
      against: `of 111 rows ${seconds(small.wallMs)}, of 100,000 ${seconds(many.wallMs)}`,
      reach: 'at most 2 s',
      met: some.wallMs <= 2000,
    },
    {
      measure: '  its peak memory at 100,000 rows',
      value: mb(many.peakBytes),
      against: `at 5,000 rows ${mb(some.peakBytes)}, at 111 ${mb(small.peakBytes)}`,
      ratio: many.peakBytes / some.peakBytes,
      reach: 'at most 150 MB',
      met: many.peakBytes <= MOST_BYTES,
    },
    {
      measure: 'pgkeep privacy erase, each row of 100,000',
      value: ms(each),
      against: `the complete command ${seconds(erased.wallMs)}`,
      reach: 'at most 0.3 ms',
      met: each <= 0.3,
    },
  ];
}
