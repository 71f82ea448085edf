import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { BackupService } from '../../src/backup/backup.service.js';
import type { Environment } from '../../src/config/read-settings.js';
import { InstallService } from '../../src/install/install.service.js';
import { CleanupService } from '../../src/privacy/cleanup/cleanup.service.js';
import { LedgerService } from '../../src/privacy/ledger/ledger.service.js';
import { parseEntry } from '../../src/privacy/ledger/ledger-entry.js';
import { PrivacyService } from '../../src/privacy/privacy.service.js';
import type { Receipt } from '../../src/privacy/privacy.types.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { withApp } from '../support/app.js';
import { backupDirectory } from '../support/backups.js';
import { createClinic, query } from '../support/clinic.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { withService } from '../support/services.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { projectWith } from './schema-project.js';

const REQUEST = { by: 'dpo', because: 'request 2026-114' };
/** A parent of two children, whose medical records stay. */
const PARENT = { model: 'User', id: '63' };
/** A parent whom nothing refers to. */
const ALONE = { model: 'User', id: '753' };

describe('a person’s request, from the export to the restore of an old backup', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let environment: Environment;
  /** Another one. */
  let patient = { model: 'User', id: '' };
  const directory = backupDirectory();

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await withApp(clinic, (app) => app.get(InstallService).install());
    await applyRules(clinic);
    const { rows } = await query(
      clinic,
      `SELECT p.user_id::text AS id FROM parents p JOIN users u ON u.id = p.user_id AND u.deleted_at IS NULL
        WHERE p.user_id <> 753 AND p.deleted_at IS NULL AND NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id) LIMIT 1`,
    );
    patient = { model: 'User', id: rows[0].id };
    environment = {
      DATABASE_URL: clinic,
      BACKUP_DIR: directory,
      MIGRATIONS_DIR: projectWith(readFileSync(CLINIC_SCHEMA, 'utf8')),
    };
  });
  afterAll(() => own.cluster.destroy());

  const withPrivacy = async <T>(work: (privacy: PrivacyService) => Promise<T>): Promise<T> =>
    await withService(PrivacyService, environment, work);
  const people = async () =>
    (
      await query(
        clinic,
        `SELECT id, full_name, deleted_at IS NOT NULL AS marked FROM users WHERE id IN (63, ${patient.id}, 753) ORDER BY 1`,
      )
    ).rows;
  /** Lets time pass for the marks: the database's clock decides what is due, and it cannot be set. */
  const passes = async (time: string): Promise<void> => {
    for (const table of ['users', 'parents']) {
      await query(
        clinic,
        `UPDATE ${table} SET deleted_at = deleted_at - interval '${time}' WHERE deleted_at IS NOT NULL`,
      );
    }
  };
  /** The digest of an action's copy beside the backups, without the database. */
  const offlineDigest = (action: string): string => {
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    const file = files.find((name) => name.endsWith(`${action}.jsonl`)) ?? '';
    const lines = parseEntry(readFileSync(path.join(directory, file), 'utf8'))?.lines ?? [];
    const sorted = lines
      .map(({ table, key, what }) => Buffer.from(`${table}\t${key}\t${what}`))
      .toSorted((left, right) => Buffer.compare(left, right));
    return createHash('sha256').update(sorted.join('\n')).digest('hex');
  };

  it('holds: what was erased stays erased, and the receipt proves it', async () => {
    const exported = await withPrivacy((privacy) =>
      privacy.export(PARENT, {}, { directory: path.join(directory, 'export'), page: true }),
    );
    expect(exported.rows).toMatchObject({ User: 1, Parent: 1, Child: 2 });
    const backup = await withService(BackupService, environment, (backups) => backups.create());

    // They ask, and are hidden, until their grace period is over.
    const cleanUp = async (dryRun: boolean) =>
      await withService(CleanupService, environment, (cleanup) => cleanup.clean({ dryRun }));
    const dueKeys = async () => (await cleanUp(true)).tables.flatMap(({ keys }) => keys);
    const marked = await withPrivacy(async (privacy) => [
      await privacy.softDelete(ALONE, REQUEST),
      await privacy.softDelete(patient, REQUEST),
    ]);
    const day = 86_400_000;
    expect(
      marked.map(({ keptUntil }) => Math.round((Date.parse(keptUntil ?? '') - Date.now()) / day)),
    ).toEqual([30, 30]);
    await passes('29 days 23 hours');
    expect(await dueKeys()).not.toContain(patient.id);
    await passes('1 hour');
    expect(await dueKeys()).toContain(patient.id);

    // The other one cannot wait, and her children's records stay.
    await expect(withPrivacy((privacy) => privacy.erase(PARENT, REQUEST))).rejects.toMatchObject({
      code: 'PRIVACY_REFUSED',
    });
    const receipts: Receipt[] = await withPrivacy(async (privacy) => [
      await privacy.anonymize(PARENT, REQUEST),
      await privacy.erase(ALONE, REQUEST),
    ]);
    const cleaned = await cleanUp(false);
    expect(
      cleaned.tables.find(({ table, fate }) => table === 'public.users' && fate === 'delete'),
    ).toMatchObject({
      keys: expect.arrayContaining([patient.id]),
    });
    await withService(LedgerService, environment, (ledger) => ledger.ship({}));
    const before = await people();
    expect(before).toEqual([{ id: 63, full_name: 'Erased', marked: false }]);

    // The backup of the night before is restored: both are in it.
    const restoration = await withService(RestoreService, environment, (restores) =>
      restores.restore({ source: backup.name }),
    );
    const ofCleanup = cleaned.tables
      .filter(({ fate }) => fate === 'delete')
      .reduce((sum, { rows }) => sum + rows, 0);
    expect(restoration.erasures).toMatchObject({ deleted: 2 + ofCleanup });
    expect(await people()).toEqual(before);

    // The receipts are in the audit log, and can be verified without a database.
    const { entries } = await withService(AuditLogService, environment, (log) => log.list(100));
    for (const { action, what, ledgerDigest } of receipts) {
      expect(offlineDigest(action)).toBe(ledgerDigest);
      expect(entries).toContainEqual(
        expect.objectContaining({
          action: what,
          details: expect.objectContaining({ action, ledger: ledgerDigest }),
        }),
      );
    }
    for (const gone of [ALONE, patient]) {
      await expect(withPrivacy((privacy) => privacy.erase(gone, REQUEST))).rejects.toMatchObject({
        code: 'RECORD_NOT_FOUND',
      });
    }
  }, 120_000);
});
