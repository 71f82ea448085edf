import { expect, it } from '@jest/globals';
import type { BackupEntry } from '../../src/backup/backup.types.js';
import { ownBackups, type Owner } from '../../src/retention/plan-retention.js';

const ENTRY: BackupEntry = {
  name: 'clinic_production_20260207_120000',
  database: 'clinic',
  environment: 'production',
  systemIdentifier: '7000000000000000001',
  reason: 'scheduled',
  origin: null,
  finishedAt: '2026-02-07T12:00:00.000Z',
  bytes: 1,
  sha256: 'ab',
  encrypted: false,
  pinned: false,
  locations: ['s3://shared'],
  without: [],
  restoreTest: null,
};
const OWNER: Owner = {
  database: 'clinic',
  environment: 'production',
  systemIdentifier: '7000000000000000001',
};

function judge(entry: Partial<BackupEntry>, owner: Partial<Owner> = {}): string {
  const { own, foreign } = ownBackups([{ ...ENTRY, ...entry }], { ...OWNER, ...owner });
  return own.length > 0 ? 'own' : foreign.length > 0 ? 'foreign' : 'not looked at';
}

it('owns what it made, and backups that name no server', () => {
  expect(judge({})).toBe('own');
  expect(judge({ systemIdentifier: null })).toBe('own');
});

it('owns nothing that names another server, whatever else matches', () => {
  expect(judge({ systemIdentifier: '7000000000000000002' })).toBe('foreign');
});

it('owns only backups that name no server if it does not know its own', () => {
  expect(judge({}, { systemIdentifier: undefined })).toBe('foreign');
  expect(judge({ systemIdentifier: null }, { systemIdentifier: undefined })).toBe('own');
});

it('ignores other databases and environments', () => {
  expect(judge({ database: 'other' })).toBe('not looked at');
  expect(judge({ environment: 'staging' })).toBe('not looked at');
});
