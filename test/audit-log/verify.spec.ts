import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import type { ChainReport } from '../../src/audit-log/audit-log.types.js';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { withApp } from '../support/app.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const OFF = 'ALTER TABLE pgkeep.change_log DISABLE TRIGGER USER';
const ON = ['change_log_chain', 'change_log_keep', 'change_log_keep_all']
  .map((name) => `ALTER TABLE pgkeep.change_log ENABLE ALWAYS TRIGGER ${name}`)
  .join('; ');

/** Recomputes an entry's hash from its current contents, as a careful forger would. */
const REHASH = `UPDATE pgkeep.change_log SET hash = encode(sha256(convert_to(jsonb_build_array(seq,
  to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
  action, subject, details, role, actor, previous_hash)::text, 'UTF8')), 'hex')`;

describe('verifying the record', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let head: string;
  let count = 0;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const template = await createDatabase(own, 'five');
    await withApp(template, async (app) => {
      await app.get(InstallService).install();
      for (const subject of ['two', 'three', 'four', 'five']) {
        await app
          .get(AuditLogService)
          .record({ action: 'stamp', subject, details: { from: null }, actor: 'test@here' });
      }
      head = (await app.get(AuditLogService).verify()).head ?? '';
    });
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(async () => {
    count += 1;
    url = await createDatabase(own, `tampered_${count}`, 'five');
  });

  const verify = (knownHead?: string): Promise<ChainReport> =>
    withApp(url, (app) => app.get(AuditLogService).verify(knownHead));
  /** Runs SQL as a superuser who disables the triggers and enables them again. */
  const tamper = (sql: string) => query(url, `${OFF}; ${sql}; ${ON}`);

  it.each([
    ['subject', `subject = 'other'`],
    ['one digit of the details', `details = '{"from": 0}'`],
    ['time', `recorded_at = recorded_at + interval '1 ms'`],
    ['role', `role = 'unknown'`],
    ['actor', `actor = 'unknown@example'`],
    ['action', `action = 'install'`],
    ['hash', `hash = repeat('f', 64)`],
  ])('names the entry whose %s was changed', async (_what, assignment) => {
    await tamper(`UPDATE pgkeep.change_log SET ${assignment} WHERE seq = 3`);
    expect(await verify()).toMatchObject({
      verdict: 'broken',
      entries: 5,
      findings: [
        {
          code: 'ENTRY_CHANGED',
          seq: 3,
          text: 'entry 3 was changed after it was recorded: its hash is not that of its contents',
        },
      ],
    });
  });

  it.each([
    [3, 'entry 3 is missing: entry 4 comes after entry 2'],
    [1, 'entry 1 is missing: entry 2 is the first'],
  ])('names entry %i, which was deleted', async (seq, text) => {
    await tamper(`DELETE FROM pgkeep.change_log WHERE seq = ${seq}`);
    expect((await verify()).findings).toEqual([{ code: 'ENTRY_MISSING', seq, text }]);
  });

  it('names the first of two swapped entries', async () => {
    await tamper(
      `ALTER TABLE pgkeep.change_log DROP CONSTRAINT change_log_pkey;
       UPDATE pgkeep.change_log SET seq = 7 - seq WHERE seq IN (3, 4)`,
    );
    expect((await verify()).findings).toMatchObject([{ code: 'ENTRY_CHANGED', seq: 3 }]);
  });

  it('names a duplicated entry', async () => {
    await tamper(
      `ALTER TABLE pgkeep.change_log DROP CONSTRAINT change_log_pkey;
       INSERT INTO pgkeep.change_log SELECT * FROM pgkeep.change_log WHERE seq = 3`,
    );
    expect((await verify()).findings).toEqual([
      { code: 'ENTRY_REPEATED', seq: 3, text: 'entry 3 exists more than once' },
    ]);
  });

  it('detects an entry that was replaced by one with a correct hash', async () => {
    await tamper(`UPDATE pgkeep.change_log SET subject = 'other' WHERE seq = 3; ${REHASH} WHERE seq = 3`);
    expect((await verify()).findings).toEqual([
      {
        code: 'ENTRY_REPLACED',
        seq: 4,
        text: 'entry 4 does not continue entry 3: entry 3 was replaced',
      },
    ]);
  });

  it('detects a deletion after which the entries were renumbered', async () => {
    await tamper(
      `DELETE FROM pgkeep.change_log WHERE seq = 1;
       UPDATE pgkeep.change_log SET seq = seq - 10; UPDATE pgkeep.change_log SET seq = seq + 9; ${REHASH}`,
    );
    expect((await verify()).findings).toEqual([
      {
        code: 'ENTRY_REPLACED',
        seq: 1,
        text: 'entry 1 refers to an entry before it: the first entries were removed',
      },
    ]);
  });

  it('detects a truncated log only by a head that was kept elsewhere', async () => {
    expect(await verify(head)).toMatchObject({ verdict: 'whole', head, knownHead: 5 });
    await tamper('DELETE FROM pgkeep.change_log WHERE seq = 5');
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 4 });
    expect(await verify(head)).toMatchObject({
      verdict: 'broken',
      knownHead: null,
      findings: [
        {
          code: 'HEAD_NOT_FOUND',
          seq: null,
          text: `no entry has the hash ${head}: the newest entries were removed, or the log was rewritten`,
        },
      ],
    });
  });

  it('finds a kept head after more actions, but not in a log that was rewritten', async () => {
    const more = { action: 'stamp', subject: 'six', details: {}, actor: 'test@here' } as const;
    await withApp(url, (app) => app.get(AuditLogService).record(more));
    expect(await verify(head)).toMatchObject({ verdict: 'whole', entries: 6, knownHead: 5 });
    await tamper(
      `TRUNCATE pgkeep.change_log; ${ON}; INSERT INTO pgkeep.change_log (action, subject, actor) VALUES ('install', 'five', 'a')`,
    );
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 1 });
    expect((await verify(head)).findings).toMatchObject([{ code: 'HEAD_NOT_FOUND' }]);
  });

  it('reports an empty record', async () => {
    await tamper('TRUNCATE pgkeep.change_log');
    expect(await verify()).toMatchObject({ verdict: 'whole', entries: 0, head: null });
    expect(await verify(head)).toMatchObject({ verdict: 'broken' });
  });

  it.each([
    ['switched off', 'DISABLE TRIGGER change_log_keep'],
    ['on for some sessions only', 'ENABLE TRIGGER change_log_keep'],
  ])('reports a trigger that is %s', async (_how, change) => {
    await query(url, `ALTER TABLE pgkeep.change_log ${change}`);
    expect(await verify()).toMatchObject({
      verdict: 'broken',
      findings: [
        {
          code: 'GUARD_OFF',
          seq: null,
          text: 'the audit log is not protected: trigger change_log_keep of pgkeep.change_log is missing or not enabled always',
        },
      ],
    });
    await query(url, 'DROP TRIGGER change_log_keep ON pgkeep.change_log');
    expect((await verify()).findings).toMatchObject([{ code: 'GUARD_OFF' }]);
  });
});
