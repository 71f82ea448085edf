import { createReadStream, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupReport, Manifest } from '../../src/backup/backup.types.js';
import { parseManifest } from '../../src/backup/catalog/manifest.js';
import { decrypt, encrypt } from '../../src/backup/encryption/age.js';
import { backupDirectory, holdings, stockRestore, withBackups } from '../support/backups.js';
import { createClinic, createDatabase } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { stockAge, stockKey } from '../support/stock-age.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const PASSPHRASE = 'correct horse battery staple';

type Key = Awaited<ReturnType<typeof stockKey>>;

function manifestOf({ manifest }: BackupReport): Manifest {
  const parsed = parseManifest(readFileSync(manifest, 'utf8'));
  if (!parsed) throw new Error('not a manifest');
  return parsed;
}

describe('an encrypted backup', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let ours: Key;
  let theirs: Key;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    ours = await stockKey(path.join(emptyDirectory(), 'ours.txt'));
    theirs = await stockKey(path.join(emptyDirectory(), 'theirs.txt'));
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  function encrypted(key: string, more: Record<string, string> = {}): Record<string, string> {
    return {
      DATABASE_URL: clinic,
      BACKUP_DIR: directory,
      BACKUP_ENCRYPTION_ENABLED: 'true',
      BACKUP_ENCRYPTION_KEY: key,
      ...more,
    };
  }

  it('is decrypted by stock age for each recipient, and restored by stock pg_restore', async () => {
    const environment = encrypted(`${ours.recipient}, ${theirs.recipient}`);
    const report = await withBackups(environment, (backups) => backups.create());
    expect(readdirSync(directory)).toEqual([`${report.name}.dump.age`, `${report.name}.manifest.json`]);
    expect(report).toMatchObject({
      archive: path.join(directory, `${report.name}.dump.age`),
      bytes: statSync(report.archive).size,
      encrypted: true,
    });
    const { archive, encryption, tables } = manifestOf(report);
    expect(archive).toBe(`${report.name}.dump.age`);
    expect(encryption?.recipients).toEqual([ours.recipient, theirs.recipient]);
    for (const [index, key] of [ours, theirs].entries()) {
      const opened = path.join(emptyDirectory(), 'opened.dump');
      await stockAge('--decrypt', '--identity', key.file, '--output', opened, report.archive);
      expect(statSync(opened).size).toBe(encryption?.plainBytes);
      const restored = await createDatabase(own, `restored_${index}`);
      expect(await stockRestore(opened, restored)).toMatchObject({ exitCode: 0 });
      expect((await holdings(restored)).tables).toEqual(tables);
    }
  });

  it('is stored and verified byte by byte, and reports that its contents were not checked without a key', async () => {
    const environment = encrypted(ours.recipient);
    const made = await runCli(['backup'], environment);
    const name = readdirSync(directory)[0]?.replace('.dump.age', '') ?? '';
    const how = `${name}.dump.age is encrypted, and no key is set to decrypt it. Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of ${ours.recipient}. It can hold several keys.`;
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(/ kB encrypted, in \d+\.\d s; every byte verified, contents not checked\.\n/);
    expect(made.stdout).toContain(`\n  not checked: ${how} It was verified before it was encrypted.\n`);
    expect(await runCli(['backup', 'verify', name], environment)).toEqual({
      code: 0,
      stdout: `${name}: every byte is as it was stored. Its contents were NOT checked:\n  not checked: ${how}\n`,
      stderr: '',
    });
    // The very file that age-keygen writes, its comments included.
    const opening = { ...environment, BACKUP_ENCRYPTION_IDENTITY_FILE: ours.file };
    expect(await runCli(['backup', 'verify', `${name}.dump.age`, '--json'], opening)).toMatchObject({
      code: 0,
      stdout: `${JSON.stringify({ name, verdict: 'passed', without: [], findings: [], locations: [directory], notChecked: [] }, null, 2)}\n`,
    });
    const others = { ...environment, BACKUP_ENCRYPTION_IDENTITY: theirs.identity };
    expect((await runCli(['backup', 'verify', name], others)).stdout).toContain(
      `not checked: ${name}.dump.age is encrypted for other keys than those in BACKUP_ENCRYPTION_IDENTITY. Set `,
    );
  });

  it('is decrypted with its passphrase, and with no other', async () => {
    const environment = encrypted(PASSPHRASE);
    await withBackups(environment, async (backups) => {
      const report = await backups.create();
      expect(report.notChecked).toEqual([]);
      expect(manifestOf(report).encryption?.recipients).toEqual(['passphrase']);
      expect(readFileSync(report.manifest, 'utf8')).not.toContain(PASSPHRASE);
      const other = { ...environment, BACKUP_ENCRYPTION_KEY: `${PASSPHRASE}s` };
      const archive = `${report.name}.dump.age`;
      await withBackups(other, async (others) => {
        expect(await others.verify(report.name)).toEqual({
          name: report.name,
          verdict: 'passed',
          without: [],
          findings: [],
          locations: [directory],
          notChecked: [`Cannot decrypt ${archive}: BACKUP_ENCRYPTION_KEY is not its passphrase.`],
        });
        await expect(opened(others, report)).rejects.toMatchObject({
          code: 'BACKUP_KEY_WRONG',
          message: `Cannot decrypt ${archive}: BACKUP_ENCRYPTION_KEY is not its passphrase.`,
          hint: 'Set BACKUP_ENCRYPTION_KEY to the passphrase that was set when that backup was made.',
        });
      });
    });
  }, 60_000);

  const opened = (backups: Parameters<Parameters<typeof withBackups>[1]>[0], { name }: BackupReport) =>
    backups.withArchive(name, new AbortController().signal, async ({ file }) => ({
      name: path.basename(file),
      mode: statSync(file).mode & 0o777,
      restored: await stockRestore(file, await createDatabase(own, `handed_${name.slice(-6)}`)),
    }));

  it('is decrypted into a file that only its owner can read and that is removed afterwards', async () => {
    const environment = encrypted(ours.recipient, { BACKUP_ENCRYPTION_IDENTITY: ours.identity });
    const report = await withBackups(environment, (backups) => backups.create());
    expect(await withBackups(environment, (backups) => opened(backups, report))).toEqual({
      name: `${report.name}.dump`,
      mode: 0o600,
      restored: expect.objectContaining({ exitCode: 0 }),
    });
    const without = { DATABASE_URL: clinic, BACKUP_DIR: directory };
    await expect(withBackups(without, (backups) => opened(backups, report))).rejects.toMatchObject({
      code: 'BACKUP_KEY_MISSING',
      message: `${report.name}.dump.age is encrypted, and no key is set to decrypt it.`,
      hint: `Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of ${ours.recipient}. It can hold several keys.`,
    });
    const wrong = { ...without, BACKUP_ENCRYPTION_IDENTITY: theirs.identity };
    await expect(withBackups(wrong, (backups) => opened(backups, report))).rejects.toMatchObject({
      code: 'BACKUP_KEY_WRONG',
      message: `${report.name}.dump.age is encrypted for other keys than those in BACKUP_ENCRYPTION_IDENTITY.`,
    });
  });

  it('is refused if it was truncated or one bit was changed', async () => {
    const environment = encrypted(ours.recipient, { BACKUP_ENCRYPTION_IDENTITY: ours.identity });
    await withBackups(environment, async (backups) => {
      const report = await backups.create();
      const whole = readFileSync(report.archive);
      // In the header, in the first chunk, in the last, at a chunk boundary, after the end.
      const damages: [string, () => void][] = [
        ...[0.0001, 0.3, 0.9999].map((part): [string, () => void] => [
          `a bit at ${part}`,
          () => {
            const damaged = Buffer.from(whole);
            const at = Math.floor(whole.length * part);
            damaged[at] = (damaged[at] ?? 0) ^ 4;
            writeFileSync(report.archive, damaged);
          },
        ]),
        ...[0, 100, 216 + 65_552, whole.length - 1].map((bytes): [string, () => void] => [
          `cut to ${bytes}`,
          () => truncateSync(report.archive, bytes),
        ]),
        ['longer', () => writeFileSync(report.archive, 'x', { flag: 'a' })],
      ];
      for (const [damage, inflict] of damages) {
        inflict();
        const { verdict, findings } = await backups.verify(report.name);
        expect([damage, verdict, findings.map(({ code }) => code)]).toEqual([
          damage,
          'failed',
          expect.arrayContaining(['DIGEST_DIFFERS', 'ARCHIVE_UNREADABLE']),
        ]);
        await expect(opened(backups, report)).rejects.toMatchObject({
          code: 'BACKUP_DAMAGED',
          message: expect.stringMatching(
            new RegExp(`^${report.name}\\.dump\\.age in .* is damaged: .*age: `),
          ),
        });
        writeFileSync(report.archive, whole);
      }
      expect((await backups.verify(report.name)).verdict).toBe('passed');
    });
  });

  it('is removed completely, and the files of a killed run are cleared', async () => {
    await withBackups(encrypted(ours.recipient), async (backups) => {
      const made = await backups.create();
      await backups.remove(made);
      expect(readdirSync(directory)).toEqual([]);
      const left = 'clinic_test_20200101_000000';
      const mark = { host: (await import('node:os')).hostname(), pid: 2 ** 22, startedAt: '' };
      writeFileSync(path.join(directory, `${left}.unfinished.json`), JSON.stringify(mark));
      writeFileSync(path.join(directory, `${left}.dump.age`), 'half');
      expect((await backups.create()).cleared).toEqual([left]);
      expect(readdirSync(directory)).toHaveLength(2);
    });
  });

  it.each([
    [
      {},
      'BACKUP_ENCRYPTION_KEY must be set if BACKUP_ENCRYPTION_ENABLED is true: age recipients (age1…), or a passphrase',
    ],
    [
      { BACKUP_ENCRYPTION_KEY: 'hunter2' },
      'BACKUP_ENCRYPTION_KEY must be age recipients (age1…) or a passphrase of at least 12 characters: it is too short',
    ],
    [
      { BACKUP_ENCRYPTION_KEY: 'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq' },
      'BACKUP_ENCRYPTION_KEY must be age recipients (age1…) or a passphrase of at least 12 characters: recipient 1 of 1 is not a complete age1… key (a character is wrong or missing, or it is not an X25519 key)',
    ],
    [
      { BACKUP_ENCRYPTION_KEY: 'AGE-SECRET-KEY-1QQQQ' },
      'BACKUP_ENCRYPTION_KEY must be age recipients (age1…) or a passphrase of at least 12 characters: it contains a secret key (AGE-SECRET-KEY-…), which belongs in BACKUP_ENCRYPTION_IDENTITY; the public key begins with age1',
    ],
    [
      { BACKUP_ENCRYPTION_KEY: PASSPHRASE, BACKUP_ENCRYPTION_IDENTITY: 'age1xyz' },
      'BACKUP_ENCRYPTION_IDENTITY must be one or more age identities (AGE-SECRET-KEY-1…): it contains a public key (age1…), which belongs in BACKUP_ENCRYPTION_KEY',
    ],
  ])('with settings %j is refused: exit 78', async (settings, line) => {
    const environment = { DATABASE_URL: clinic, BACKUP_DIR: directory, BACKUP_ENCRYPTION_ENABLED: 'true' };
    expect(await runCli(['backup'], { ...environment, ...settings })).toEqual({
      code: 78,
      stdout: '',
      stderr: `One setting is invalid:\n  ${line}\nEvery setting is described in .env.example and in docs/settings.md.\n`,
    });
  });
});

describe('the age format', () => {
  it.each([1, 65_535, 65_536, 65_537, 131_072, 1_000_000])(
    'of %i bytes is read by stock age, and pgkeep reads what stock age writes',
    async (length) => {
      const key = await stockKey(path.join(emptyDirectory(), 'key.txt'));
      const at = (name: string): string => path.join(path.dirname(key.file), name);
      const plain = Buffer.alloc(length, 'pgkeep');
      writeFileSync(at('plain'), plain);
      const chunks = [plain.subarray(0, length / 3), plain.subarray(length / 3)];
      const recipients = [key.recipient];
      writeFileSync(at('ours.age'), await all(encrypt(streamed(chunks), { kind: 'recipients', recipients })));
      await stockAge('-d', '-i', key.file, '-o', at('opened'), at('ours.age'));
      expect(readFileSync(at('opened')).equals(plain)).toBe(true);
      await stockAge('-r', key.recipient, '-o', at('theirs.age'), at('plain'));
      const keys = { kind: 'identities', identities: [key.identity] } as const;
      for (const highWaterMark of [7, 65_536]) {
        const stream = createReadStream(at('theirs.age'), { highWaterMark });
        expect((await all(decrypt(stream, keys))).equals(plain)).toBe(true);
      }
    },
  );
});

async function* streamed(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return await buffer(chunks);
}
