import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { errorCode } from '../../src/core/errors.js';
import { createClinic, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { guardedClinic, type ClinicTransaction, type GuardedClinic } from './guarded-clinic.js';
import { QUERY_SHAPES, type QueryShape, type ShapeRows } from './query-shapes.js';

/** Marks rows to which no visible row refers by a required key: sessions, children with their sessions, a post. */
const MARK = `
UPDATE users SET deleted_at = NULL, deleted_by = NULL WHERE id IN (180, 415);
UPDATE parents SET deleted_at = NULL, deleted_by = NULL WHERE id IN (120, 355);
INSERT INTO posyandus (id, village_id, name, address, opened_on, deleted_at, deleted_by)
VALUES (900, 1, 'Closed', 'x', '2024-01-01', '2026-09-01', 'admin');
INSERT INTO users (id, email, password_hash, full_name, phone, role, status, posyandu_id)
VALUES (901, 'staff1@closed.example', '!', 'Staff One', '1', 'POSYANDU', 'ACTIVE', 900),
       (902, 'staff2@closed.example', '!', 'Staff Two', '2', 'POSYANDU', 'ACTIVE', 900);
UPDATE sessions SET deleted_at = '2026-09-02', deleted_by = 'x' WHERE child_id BETWEEN 10 AND 20 AND id % 3 = 0;
UPDATE sessions SET deleted_at = '2026-09-03', deleted_by = 'x'
 WHERE child_id IN (30, 31, 32, 33, 34, 40) OR child_id IN (SELECT id FROM children WHERE deleted_at IS NOT NULL);
UPDATE children SET deleted_at = '2026-09-03', deleted_by = 'x' WHERE id IN (30, 31, 32, 33, 34);
CREATE TABLE parents_of_marked AS SELECT DISTINCT parent_id FROM children WHERE deleted_at IS NOT NULL;`;

/** Deletes the marked rows. */
const DELETE = `
DELETE FROM session_quiz_steps q USING sessions s WHERE s.id = q.session_id AND s.deleted_at IS NOT NULL;
DELETE FROM sessions WHERE deleted_at IS NOT NULL;
DELETE FROM children WHERE deleted_at IS NOT NULL;
DELETE FROM parents WHERE deleted_at IS NOT NULL;
DELETE FROM users WHERE deleted_at IS NOT NULL;
UPDATE users SET posyandu_id = NULL WHERE posyandu_id = 900;
DELETE FROM posyandus WHERE deleted_at IS NOT NULL;`;

/** A digest of the visible rows of each table that a shape writes. */
const digestOf = (table: string, columns: string) =>
  `(SELECT md5(string_agg(concat_ws('|', ${columns}), ',' ORDER BY id)) FROM ${table} WHERE deleted_at IS NULL) AS ${table}`;
const CONTENTS = `SELECT ${[
  digestOf('users', 'id, email, full_name, status, CASE WHEN posyandu_id <> 900 THEN posyandu_id END'),
  digestOf('parents', 'id, user_id, address, national_id'),
  digestOf('children', 'id, parent_id, full_name'),
  digestOf('sessions', 'id, child_id, diagnosis, posyandu_id'),
  digestOf('posyandus', 'id, name, address'),
].join(', ')}`;

const FIND_ROWS = `SELECT
  (SELECT id FROM sessions WHERE child_id = 11 AND id % 3 <> 0 ORDER BY id LIMIT 1) AS "live11",
  (SELECT coalesce(max(id), 77777) FROM sessions WHERE child_id = 11 AND id % 3 = 0) AS "gone11",
  (SELECT p.user_id FROM parents p
    WHERE NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id) AND p.id > 100 AND p.deleted_at IS NULL
      AND p.id NOT IN (SELECT parent_id FROM parents_of_marked) ORDER BY 1 LIMIT 1) AS "lonelyUser",
  0 AS fresh`;

const SAME_NUMBERS = `SELECT setval('users_id_seq', 7000), setval('parents_id_seq', 7000), setval('children_id_seq', 7000),
  setval('sessions_id_seq', 17000), setval('posyandus_id_seq', 7000)`;

const ADD_SESSION = `INSERT INTO sessions (child_id, examiner_id, posyandu_id, examined_at, age_months, weight_kg, height_cm)
  VALUES (12, 3, 1, '2026-10-01', 5, 5, 60) RETURNING id`;

/** In which two the filter cannot say what Prisma orders by. */
const EXCEPTIONS = new Set(['order by relation count', 'order by optional to-one field']);

interface Answer {
  readonly value?: unknown;
  readonly error?: unknown;
  readonly contents?: unknown;
}

class RolledBack extends Error {
  constructor(readonly answer: Answer) {
    super('rolled back');
  }
}

/** Columns whose values differ between runs, or between a row that is marked and one that is gone. */
const IGNORED = new Set(['updatedAt', 'createdAt', 'deletedAt', 'deletedBy', 'posyanduId']);

function comparable(value: unknown): unknown {
  const json: unknown = JSON.parse(
    JSON.stringify(value ?? null, (key, part: unknown) => (IGNORED.has(key) ? undefined : part)),
  );
  return json;
}

/** Runs a shape in a transaction that is rolled back. */
async function answerTo(client: GuardedClinic, { isWrite, run }: QueryShape): Promise<Answer> {
  const work = async (tx: ClinicTransaction): Promise<never> => {
    const [found] = await tx.$queryRawUnsafe<ShapeRows[]>(FIND_ROWS);
    await tx.$queryRawUnsafe(SAME_NUMBERS);
    const [added] = await tx.$queryRawUnsafe<{ id: number }[]>(ADD_SESSION);
    if (!found || !added) throw new Error('The rows for the shapes are missing.');
    let answer: Answer;
    try {
      answer = { value: comparable(await run(tx, { ...found, fresh: added.id })) };
    } catch (error) {
      answer = { error: errorCode(error) ?? String(error) };
    }
    if (isWrite && !('error' in answer)) answer = { ...answer, contents: await tx.$queryRawUnsafe(CONTENTS) };
    throw new RolledBack(answer);
  };
  try {
    return await client.$transaction(work, { timeout: 30_000 });
  } catch (error) {
    if (error instanceof RolledBack) return error.answer;
    throw error;
  }
}

describe('the shapes of queries', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedClinic;
  let gone: GuardedClinic;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ tls: false });
    const marked = await createClinic(own, 'marked', { seeded: true });
    await query(marked, MARK);
    const deleted = await createClinic(own, 'deleted', { seeded: true });
    await query(deleted, MARK);
    await query(deleted, DELETE);
    // Without its rules: here a row is marked or it is not.
    const schema = readFileSync('examples/clinic/prisma/schema.prisma', 'utf8').replaceAll('@pgkeep.', '');
    guarded = guardedClinic(marked, { schema });
    // A schema without models guards nothing.
    gone = guardedClinic(deleted, { schema: '' });
  });

  afterAll(async () => {
    await guarded?.$disconnect();
    await gone?.$disconnect();
    await own?.cluster.stop();
  });

  it('are all of Prisma’s', () => {
    expect(QUERY_SHAPES).toHaveLength(82);
    expect(new Set(QUERY_SHAPES.map(({ name }) => name)).size).toBe(82);
  });

  it.each(QUERY_SHAPES.filter(({ name }) => !EXCEPTIONS.has(name)))(
    'answer as if the marked rows were gone: $name',
    async (shape) => {
      expect(await answerTo(guarded, shape)).toEqual(await answerTo(gone, shape));
    },
  );

  it.each(QUERY_SHAPES.filter(({ name }) => EXCEPTIONS.has(name)))(
    'answer in the order of all rows, because Prisma has no filter there: $name',
    async (shape) => {
      const [answer, expected] = await Promise.all([answerTo(guarded, shape), answerTo(gone, shape)]);
      expect(answer).not.toEqual(expected);
      const sorted = ({ value }: Answer) =>
        Array.isArray(value) ? value.map((row) => JSON.stringify(row)).toSorted() : [];
      expect(sorted(answer)).toEqual(sorted(expected));
    },
  );
});
