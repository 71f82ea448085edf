import { cpSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { CLINIC_SCHEMA } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(90_000);

const REFUSED = 'pgkeep: DELETE of public.children is refused: its rows are never deleted';

describe('a deploy of an application that declares rules', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  function clinicOf(url: string): DeployedApplication {
    const app = new DeployedApplication(url);
    cpSync(CLINIC_SCHEMA, `${app.directory}/prisma/schema.prisma`);
    return app;
  }

  const install = async (url: string): Promise<void> => {
    expect((await runCli(['install'], { DATABASE_URL: url })).code).toBe(0);
  };

  it('applies them after the migrations, recorded, and says so', async () => {
    const url = await createDatabase(own, 'fresh');
    await install(url);
    const app = clinicOf(url);
    const deployed = await app.quickly();
    expect(deployed.code).toBe(0);
    expect(deployed.stdout).toContain('\n  policy: rules of 9 tables applied, of 0 in force already\n');
    await query(url, `INSERT INTO districts (code, name) VALUES ('a', 'b')`);
    await expect(query(url, 'TRUNCATE children CASCADE')).rejects.toThrow(
      'TRUNCATE of public.children is refused',
    );
    const { rows } = await query(
      url,
      `SELECT count(*)::int AS n FROM pgkeep.change_log WHERE action = 'policy' AND details ->> 'action' = 'applied'`,
    );
    expect(rows).toEqual([{ n: 9 }]);
    // Nothing is pending, and the seed has filled a read-only table: it is sealed.
    expect(await app.quickly()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(
        'is up to date.\n  policy: rules of 1 table applied, of 8 in force already\n',
      ),
    });
    expect((await app.quickly()).stdout).toMatch(/is up to date\.\n$/);
  });

  it('keeps its outcome where they cannot be applied, and names the next command', async () => {
    const url = await createClinic(own, 'without_pgkeep', { seeded: true });
    const app = clinicOf(url).add('20270101000000_note', 'ALTER TABLE children ADD COLUMN note text;');
    expect(await app.quickly()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(
        '\n  WARNING   the policy was not applied: Cannot read the policy: the database has no table pgkeep.table_policy. Nothing was changed. Run `pgkeep install`.\n',
      ),
    });
  });

  it('applies them after a rollback as well', async () => {
    const url = await createClinic(own, 'rolled_back', { seeded: true });
    await install(url);
    const app = clinicOf(url).add(
      '20270101000000_parking',
      'CREATE TABLE parking (id int PRIMARY KEY);',
      'DROP TABLE parking;\nALTER TABLE children DISABLE TRIGGER USER;\n',
    );
    expect((await app.quickly()).code).toBe(0);
    const { code, stdout } = await app.migrate(['rollback', '--without-backup']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('\n  policy: rules of 1 table applied, of 8 in force already\n'),
    });
    await expect(query(url, 'DELETE FROM children')).rejects.toThrow(REFUSED);
  });

  it('passes over a table in use', async () => {
    const url = await createClinic(own, 'busy', { seeded: true });
    await install(url);
    const holder = new Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE');
    const { code, stdout } = await clinicOf(url).quickly(['--json']);
    await holder.end();
    expect(code).toBe(0);
    expect(JSON.parse(stdout).policy.applied).toMatchObject({
      inForce: 0,
      passedOver: [{ name: 'public.users', why: 'another session has locked it' }],
    });
    await expect(query(url, 'DELETE FROM children')).rejects.toThrow(REFUSED);
  });
});
