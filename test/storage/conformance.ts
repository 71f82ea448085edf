import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupStorage, StoredObject } from '../../src/storage/storage.types.js';

const NEVER = new AbortController().signal;

export function bodyOf(...chunks: (string | Buffer)[]): Readable {
  return Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );
}

export async function contentOf(storage: BackupStorage, key: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await storage.get(key)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function listOf(storage: BackupStorage, prefix = ''): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of storage.list(prefix)) objects.push(object);
  return objects.toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

/** What every storage of backups does alike. @param open an empty storage */
export function describeStorage(name: string, open: () => Promise<BackupStorage>): void {
  describe(`${name} as a storage of backups`, () => {
    let storage: BackupStorage;

    beforeEach(async () => {
      storage = await open();
    });

    it('gives back what was put, to the byte, whatever its size', async () => {
      for (const size of [0, 1, 100_000, 12_000_000]) {
        const content = randomBytes(size);
        expect(await storage.put('a.dump', bodyOf(content), { signal: NEVER })).toEqual({ bytes: size });
        expect((await contentOf(storage, 'a.dump')).equals(content)).toBe(true);
        const head = await storage.head('a.dump');
        expect(head?.bytes).toBe(size);
        expect(Math.abs(Date.now() - Number(head?.modifiedAt))).toBeLessThan(60_000);
      }
    });

    it('lists by prefix, heads, and deletes; absent is no error', async () => {
      expect(await listOf(storage)).toEqual([]);
      for (const key of ['b.dump', 'a.manifest.json', 'a.dump']) {
        await storage.put(key, bodyOf(key), { signal: NEVER });
      }
      expect((await listOf(storage)).map(({ key }) => key)).toEqual(['a.dump', 'a.manifest.json', 'b.dump']);
      expect(await listOf(storage, 'a.d')).toMatchObject([{ key: 'a.dump', bytes: 6 }]);
      await storage.delete('a.dump');
      await storage.delete('a.dump');
      expect(await storage.head('a.dump')).toBeUndefined();
      await expect(storage.get('a.dump')).rejects.toMatchObject({ code: 'STORAGE_OBJECT_MISSING' });
      expect(await listOf(storage)).toHaveLength(2);
    });

    it('replaces what was there, and only by what is whole', async () => {
      await storage.put('a.dump', bodyOf('first'), { signal: NEVER });
      const broken = Readable.from(
        (async function* () {
          yield Buffer.from('sec');
          await Promise.resolve();
          throw new Error('the dump failed');
        })(),
        { objectMode: false },
      );
      await expect(storage.put('a.dump', broken, { signal: NEVER })).rejects.toThrow('the dump failed');
      expect(String(await contentOf(storage, 'a.dump'))).toBe('first');
      await storage.put('a.dump', bodyOf('second'), { signal: NEVER });
      expect(String(await contentOf(storage, 'a.dump'))).toBe('second');
      expect(await listOf(storage)).toHaveLength(1);
    });

    it('leaves nothing of a put that is aborted, even while nothing flows', async () => {
      const abort = new AbortController();
      const stalled = new Readable({ read: () => undefined });
      stalled.push(Buffer.alloc(100_000));
      const put = storage.put('a.dump', stalled, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error('enough')), 50);
      await expect(put).rejects.toThrow('enough');
      expect(await listOf(storage)).toEqual([]);
      expect(stalled.destroyed).toBe(true);
    });
  });
}
