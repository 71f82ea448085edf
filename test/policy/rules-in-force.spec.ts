import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClinic, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('the rules of the clinic in its database', () => {
  let own: ThrowAwayCluster;
  let clinic: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    expect((await runCli(['install'], { DATABASE_URL: clinic })).code).toBe(0);
    await applyRules(clinic);
  });
  afterAll(() => own.cluster.destroy());

  it('refuse a DELETE, and let an erasure pass that writes one ledger line for each row', async () => {
    await expect(query(clinic, 'DELETE FROM children')).rejects.toThrow(
      'pgkeep: DELETE of public.children is refused: its rows are never deleted',
    );
    const erased = `DELETE FROM users WHERE id IN (SELECT user_id FROM parents WHERE id NOT IN (SELECT parent_id FROM children) LIMIT 1)`;
    await query(
      clinic,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'test', 'a test'); ${erased}; COMMIT`,
    );
    const { rows } = await query(clinic, 'SELECT table_name, what FROM pgkeep.privacy_row ORDER BY 1');
    expect(rows).toEqual([
      { table_name: 'public.parents', what: 'deleted' },
      { table_name: 'public.users', what: 'deleted' },
    ]);
  });
});
