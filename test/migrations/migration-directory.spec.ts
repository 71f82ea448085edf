import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { MigrationDirectory } from '../../src/migrations/history/migration-directory.js';

describe('a migrations directory', () => {
  let directory: string;

  function add(name: string, script?: string): void {
    mkdirSync(path.join(directory, name), { recursive: true });
    if (script !== undefined) writeFileSync(path.join(directory, name, 'migration.sql'), script);
  }

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
  });

  it('is read in the order of its names, with every checksum Prisma would accept', async () => {
    add('2_second', 'SELECT 2;\n');
    add('1_first', 'SELECT 1;\r\n');
    writeFileSync(path.join(directory, 'migration_lock.toml'), 'provider = "postgresql"\n');
    const migrations = await new MigrationDirectory(directory).read();
    if (!Array.isArray(migrations)) throw new Error('expected migrations');
    expect(migrations.map(({ name }) => name)).toEqual(['1_first', '2_second']);
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
    // A checkout may change line endings, and early versions of Prisma omitted leading zeros of bytes.
    const early = [...createHash('sha256').update('SELECT 2;\n').digest()]
      .map((byte) => byte.toString(16))
      .join('');
    expect(migrations[0]?.checksums).toEqual(
      expect.arrayContaining([digest('SELECT 1;\r\n'), digest('SELECT 1;\n'), digest('SELECT 1;\r\r\n')]),
    );
    expect(migrations[1]?.checksums).toEqual(
      expect.arrayContaining([digest('SELECT 2;\n'), digest('SELECT 2;\r\n'), early]),
    );
    expect(migrations[1]?.checksums).not.toContain(digest('SELECT 2;'));
  });

  it('is read again when a file changes', async () => {
    add('1_first', 'SELECT 1;');
    const reader = new MigrationDirectory(directory);
    const before = await reader.read();
    writeFileSync(path.join(directory, '1_first', 'migration.sql'), 'SELECT 2;');
    utimesSync(path.join(directory, '1_first', 'migration.sql'), 1, 1);
    const after = await reader.read();
    expect(after).not.toEqual(before);
    rmSync(path.join(directory, '1_first'), { recursive: true });
    expect(await reader.read()).toMatchObject({ code: 'MIGRATIONS_DIRECTORY_EMPTY' });
  });

  it.each<[string, () => void, object]>([
    [
      'is missing',
      () => rmSync(directory, { recursive: true }),
      { code: 'MIGRATIONS_DIRECTORY_MISSING', text: expect.stringContaining('ENOENT') },
    ],
    [
      'is empty',
      () => undefined,
      {
        code: 'MIGRATIONS_DIRECTORY_EMPTY',
        text: expect.stringMatching(/^The migrations directory \S+ holds no migration$/),
      },
    ],
    [
      'lacks a migration.sql',
      () => {
        add('1_first', 'SELECT 1;');
        add('2_second');
      },
      {
        code: 'MIGRATIONS_FILE_MISSING',
        text: expect.stringMatching(/^No readable migration\.sql in 2_second \(/),
      },
    ],
    [
      'is for another provider',
      () => {
        add('1_first', 'SELECT 1;');
        writeFileSync(path.join(directory, 'migration_lock.toml'), '# comment\nprovider = "mysql"\n');
      },
      {
        code: 'MIGRATIONS_PROVIDER_MISMATCH',
        text: expect.stringMatching(/migration_lock\.toml is for mysql, not for postgresql$/),
      },
    ],
  ])('that %s is reported precisely', async (_what, prepare, fault) => {
    prepare();
    expect(await new MigrationDirectory(directory).read()).toMatchObject({
      ...fault,
      hint: expect.any(String),
    });
  });
});
