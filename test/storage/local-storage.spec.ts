import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { LocalStorage } from '../../src/storage/local/local-storage.js';
import { backupDirectory } from '../support/backups.js';
import { describeStorage } from './conformance.js';

const signal = new AbortController().signal;

describeStorage('a directory', () => {
  const directory = path.join(backupDirectory(), 'made');
  return Promise.resolve({
    storage: new LocalStorage(directory),
    leftovers: () =>
      Promise.resolve(
        readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
          name.endsWith('.part'),
        ),
      ),
    close: () => Promise.resolve(),
  });
});

/** A stream of these chunks. */
function bodyOf(...chunks: string[]): Readable {
  return Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );
}

it('removes files of killed puts: with the object, or when they are old', async () => {
  const directory = backupDirectory();
  const storage = new LocalStorage(directory);
  for (const name of ['.a.dump.part', '.old.dump.part', '.new.dump.part', 'b.dump']) {
    writeFileSync(path.join(directory, name), 'x');
  }
  const old = new Date('2026-01-01');
  utimesSync(path.join(directory, '.old.dump.part'), old, old);
  utimesSync(path.join(directory, 'b.dump'), old, old);
  await storage.delete('a.dump');
  await storage.discardUnfinished(new Date('2026-01-02'));
  expect(readdirSync(directory).toSorted()).toEqual(['.new.dump.part', 'b.dump']);
});

it('keeps every key within the directory', async () => {
  const directory = backupDirectory();
  const storage = new LocalStorage(path.join(directory, 'inside'));
  mkdirSync(storage.location);
  await expect(storage.put('../out', bodyOf('x'), { signal })).rejects.toMatchObject({
    code: 'STORAGE_OBJECT_MISSING',
  });
  await expect(storage.head('../out')).rejects.toMatchObject({ code: 'STORAGE_OBJECT_MISSING' });
  expect(existsSync(path.join(directory, 'out'))).toBe(false);
});

it('explains its errors', async () => {
  const file = path.join(backupDirectory(), 'file');
  writeFileSync(file, '');
  const storage = new LocalStorage(path.join(file, 'below'));
  await expect(storage.put('a', bodyOf('x'), { signal })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    message: expect.stringContaining(`Cannot write ${file}`),
    hint: 'Set BACKUP_DIR to a directory that this user may write to.',
  });
});
