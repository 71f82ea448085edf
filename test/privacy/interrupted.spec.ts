import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createClinic, query } from '../support/clinic.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { projectWith } from './schema-project.js';

const STATE = `SELECT md5(string_agg(t, ',' ORDER BY t)) AS state FROM (
  SELECT u::text AS t FROM users u UNION ALL SELECT p::text FROM parents p UNION ALL SELECT c::text FROM children c
   UNION ALL SELECT a::text FROM pgkeep.privacy_action a UNION ALL SELECT r::text FROM pgkeep.privacy_row r
   UNION ALL SELECT l::text FROM pgkeep.change_log l) rows`;

describe('an action on a person that is killed', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let person: string;
  const migrations = projectWith(readFileSync(CLINIC_SCHEMA, 'utf8'));

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await withApp(clinic, (app) => app.get(InstallService).install());
    await applyRules(clinic);
    const { rows } = await query(
      clinic,
      `SELECT user_id::text AS id FROM parents p WHERE deleted_at IS NULL
          AND NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id) ORDER BY 1 LIMIT 1`,
    );
    person = rows[0].id;
  });
  afterAll(() => own.cluster.destroy());

  const environment = () => ({ NODE_ENV: 'test', DATABASE_URL: clinic, MIGRATIONS_DIR: migrations });
  const commandOf = (verb: string) => ['privacy', verb, 'User', person, '--by', 'dpo', '--because', 'letter'];

  /** Starts an action that has done everything but its last statement. */
  async function stopped(verb: string, then: (process: PgkeepProcess) => Promise<void>): Promise<void> {
    const blocker = new Client({ connectionString: clinic });
    await blocker.connect();
    const process = new PgkeepProcess('cli', commandOf(verb), environment());
    try {
      await blocker.query('BEGIN; LOCK TABLE pgkeep.change_log IN EXCLUSIVE MODE');
      await until(async () => {
        const { rows } = await query(
          clinic,
          `SELECT FROM pg_stat_activity WHERE application_name = 'pgkeep privacy' AND wait_event_type = 'Lock'`,
        );
        return rows.length > 0 || !process.isRunning;
      });
      await then(process);
    } finally {
      await process.kill();
      await blocker.end();
    }
    await until(
      async () =>
        (await query(clinic, `SELECT FROM pg_stat_activity WHERE application_name = 'pgkeep privacy'`)).rows
          .length === 0,
    );
  }

  it.each(['delete', 'anonymize', 'erase'])('leaves nothing half done: %s', async (verb) => {
    const before = (await query(clinic, STATE)).rows;
    await stopped(verb, (process) => process.kill());
    expect((await query(clinic, STATE)).rows).toEqual(before);
    await stopped(verb, async (process) => {
      await query(
        clinic,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgkeep privacy'`,
      );
      expect((await process.end()).code).toBe(1);
      expect(process.stderr).toContain(`Cannot ${verb} User ${person} in `);
    });
    expect((await query(clinic, STATE)).rows).toEqual(before);
  });

  it('does it once, when two ask for the same at the same second', async () => {
    const both = await Promise.all([
      runCli(commandOf('erase'), environment()),
      runCli(commandOf('erase'), environment()),
    ]);
    const [done, late] = both.toSorted((left, right) => Number(left.code) - Number(right.code));
    expect([done?.code, late?.code]).toEqual([0, 1]);
    expect(done?.stdout.split('\n').slice(0, 2)).toEqual([
      `Erased User ${person}: 1 row of User, 1 row of Parent.`,
      'Backups: none contain it.',
    ]);
    expect(late?.stderr).toBe(
      `User ${person} was not found. Nothing was changed.\nCheck the id; \`pgkeep privacy log User ID\` shows whether the record was erased.\n`,
    );
    const { rows } = await query(
      clinic,
      'SELECT action, count(*)::int FROM pgkeep.privacy_action GROUP BY 1',
    );
    expect(rows).toEqual([{ action: 'hard-delete', count: 1 }]);
  });
});
