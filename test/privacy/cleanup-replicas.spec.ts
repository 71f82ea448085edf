import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules, rulesOf } from '../support/policy.js';
import { isHeldBy, Replicas, type RunRow, scheduleIn } from '../support/replicas.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const LONG = 240_000;
/** Due people, each with one note. */
const PEOPLE = 20_000;

const SCHEMA = `
model Person {
  id Int @id @default(autoincrement())
  name String /// @pgkeep.personal(name)
  deletedAt DateTime? @map("deleted_at") @db.Timestamptz(3)
  notes Note[]
  @@map("person")
}
model Note {
  id Int @id @default(autoincrement())
  personId Int @map("person_id")
  text String /// @pgkeep.personal(text)
  deletedAt DateTime? @map("deleted_at") @db.Timestamptz(3)
  person Person @relation(fields: [personId], references: [id], onDelete: Cascade)
  @@map("note")
}`;

const TABLES = `
  CREATE TABLE person (id serial PRIMARY KEY, name text NOT NULL, deleted_at timestamptz(3));
  CREATE INDEX ON person (deleted_at);
  CREATE TABLE note (id serial PRIMARY KEY, person_id int NOT NULL REFERENCES person ON DELETE CASCADE, text text NOT NULL, deleted_at timestamptz(3));
  CREATE INDEX ON note (person_id);
  INSERT INTO person (name, deleted_at)
  SELECT 'n' || i, CASE WHEN i <= ${PEOPLE} THEN now() - interval '60 days' END FROM generate_series(1, ${PEOPLE + 10}) i;
  INSERT INTO note (person_id, text, deleted_at) SELECT id, 'note ' || id, deleted_at FROM person;
  ANALYZE`;

describe('a cleanup by several services on one database', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let replicas: Replicas;
  let migrations: string;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const pristine = await createDatabase(own, 'pristine');
    await query(pristine, TABLES);
    expect((await runCli(['install'], { DATABASE_URL: pristine })).code).toBe(0);
    await applyRules(pristine, rulesOf(SCHEMA));
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-people-'));
    migrations = path.join(directory, 'migrations');
    mkdirSync(migrations);
    writeFileSync(path.join(directory, 'schema.prisma'), SCHEMA);
  });
  afterEach(() => replicas.kill());
  afterAll(() => own.cluster.destroy());

  async function start(): Promise<void> {
    databases += 1;
    url = await createDatabase(own, `people_${databases}`, 'pristine');
    replicas = new Replicas(url, {
      BACKUP_SCHEDULE: 'off',
      RESTORE_TEST_SCHEDULE: 'off',
      PERMANENT_DELETE_SCHEDULE: scheduleIn(12),
      PERMANENT_DELETE_MAX_PERCENT: '100',
      JOB_LEASE_SECONDS: '3',
      MIGRATIONS_DIR: migrations,
    });
  }

  async function untilRun(matches: (run: RunRow) => boolean, what: string): Promise<RunRow> {
    let found: RunRow | undefined;
    await until(
      async () => {
        found = (await replicas.runs('cleanup').catch(() => [])).find(matches);
        return found !== undefined;
      },
      LONG,
      what,
    );
    if (!found) throw new Error(what);
    return found;
  }

  /** What is left, and what the ledger says: every row once, and of each person everything or nothing. */
  async function state(): Promise<Record<string, number>> {
    const { rows } = await query(
      url,
      `SELECT (SELECT count(*)::int FROM person WHERE deleted_at IS NOT NULL) AS due,
              (SELECT count(*)::int FROM note WHERE deleted_at IS NOT NULL) AS notes,
              (SELECT count(*)::int FROM person WHERE deleted_at IS NULL) AS staying,
              (SELECT count(*)::int FROM pgkeep.privacy_row WHERE what = 'deleted') AS recorded,
              (SELECT count(DISTINCT (table_name, key))::int FROM pgkeep.privacy_row WHERE what = 'deleted') AS different`,
    );
    return rows[0];
  }

  const DONE = { due: 0, notes: 0, staying: 10, recorded: 2 * PEOPLE, different: 2 * PEOPLE };

  const erasing = async (): Promise<void> =>
    await until(async () => (await state())['recorded'] !== 0, 60_000, 'the first erased rows');

  it(
    'erases each row once, at one due second',
    async () => {
      await start();
      await Promise.all([replicas.start(), replicas.start()]);
      const run = await untilRun(({ state: now }) => now === 'succeeded', 'a cleanup');
      expect(run).toMatchObject({ fence: '1', losses: 0, result: { erased: 2 * PEOPLE } });
      expect(await state()).toEqual(DONE);
    },
    LONG,
  );

  it(
    'is continued by another one when its service is killed, and of no person half is gone',
    async () => {
      await start();
      const [one, two] = await Promise.all([replicas.start(), replicas.start()]);
      const run = await untilRun(({ state: now }) => now === 'running', 'a cleanup');
      await erasing();
      const holder = isHeldBy(run, one.service) ? one : two;
      await holder.service.kill();
      const { due, notes } = await state();
      expect(notes).toBe(due);
      const done = await untilRun(({ state: now }) => now === 'succeeded', 'the rest of the cleanup');
      expect(done).toMatchObject({ id: run.id, fence: '2', losses: 1 });
      expect(await state()).toEqual(DONE);
    },
    LONG,
  );

  it(
    'is not continued by a service that was paused until it lost its lease',
    async () => {
      await start();
      const [one, two] = await Promise.all([replicas.start(), replicas.start()]);
      const run = await untilRun(({ state: now }) => now === 'running', 'a cleanup');
      await erasing();
      const holder = isHeldBy(run, one.service) ? one : two;
      holder.service.signal('SIGSTOP');
      const done = await untilRun(({ state: now }) => now === 'succeeded', 'the rest of the cleanup');
      holder.service.signal('SIGCONT');
      await until(
        () => holder.service.stderr.includes('JOB_LEASE') || /did not renew/.test(holder.service.stderr),
        60_000,
      );
      expect(done).toMatchObject({ id: run.id, fence: '2' });
      // What was locked by the paused one is erased by the next run.
      const left = (await state())['due'] ?? 0;
      expect(left).toBeLessThanOrEqual(500);
      const { different, recorded } = await state();
      expect(recorded).toBe(different);
    },
    LONG,
  );
});
