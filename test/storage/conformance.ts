import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupStorage, StoredObject } from '../../src/storage/storage.types.js';
import { peakBuffers } from '../support/peak-memory.js';
import { digestOf, randomDigest, randomStream } from '../support/random-stream.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;

/** A storage under test, empty, with access behind its contract. */
export interface Subject {
  readonly storage: BackupStorage;
  /** What an upload left behind that no listing shows: temporary files, multipart uploads, sessions. */
  leftovers(): Promise<readonly string[]>;
  /** Removes what the tests made outside this process. */
  close(): Promise<void>;
}

/** The behaviour that every storage must have. */
export function describeStorage(
  title: string,
  open: () => Promise<Subject>,
  options: { readonly largeMib: number } = { largeMib: 64 },
): void {
  // oxlint-disable-next-line jest/valid-title -- named by each caller
  describe(title, () => {
    let subject: Subject;
    let storage: BackupStorage;

    beforeAll(async () => {
      subject = await open();
      storage = subject.storage;
    });
    afterAll(async () => await subject?.close());

    const never = { signal: new AbortController().signal };
    // A separate signal: sixteen listen concurrently, and Node.js warns of a leak above ten listeners.
    const put = async (key: string, text: string) =>
      await storage.put(key, Readable.from([text]), { signal: new AbortController().signal });
    const read = async (key: string) => (await (await storage.get(key)).toArray()).join('');
    const keysOf = async (prefix: string) => (await objectsOf(prefix)).map(({ key }) => key).toSorted();
    const objectsOf = async (prefix: string) => {
      const objects: StoredObject[] = [];
      for await (const object of storage.list(prefix)) objects.push(object);
      return objects;
    };

    it('is empty at first, and says so', async () => {
      expect(await keysOf('')).toEqual([]);
    });

    it.each([0, 1, 65_537, 8 * MIB, 8 * MIB + 1, 20 * MIB])(
      'returns the %i bytes that were stored',
      async (bytes) => {
        const before = Date.now();
        const key = `sizes/${bytes}.dump`;
        expect(await storage.put(key, randomStream(bytes), never)).toEqual({ bytes });
        expect(await digestOf(await storage.get(key))).toBe(await randomDigest(bytes));
        const head = await storage.head(key);
        expect(head?.bytes).toBe(bytes);
        // S3 returns seconds.
        expect(head?.modifiedAt.getTime()).toBeGreaterThan(before - 2000);
        expect(head?.modifiedAt.getTime()).toBeLessThan(Date.now() + 2000);
        const [listed] = await objectsOf(key);
        expect(listed).toMatchObject({ key, bytes });
        expect(Math.trunc((listed?.modifiedAt.getTime() ?? 0) / 1000)).toBe(
          Math.trunc((head?.modifiedAt.getTime() ?? 0) / 1000),
        );
      },
    );

    it('replaces an object completely', async () => {
      await storage.put('replaced', randomStream(9 * MIB), never);
      await put('replaced', 'short');
      expect(await read('replaced')).toBe('short');
      expect(await storage.head('replaced')).toMatchObject({ bytes: 5 });
      await storage.put('replaced', randomStream(9 * MIB), never);
      expect(await digestOf(await storage.get('replaced'))).toBe(await randomDigest(9 * MIB));
    });

    const NAMES = [
      'klinik-utama_production_20260207_120000.dump.age',
      'Überprüfung – 検証 🩺.json',
      `50% + 50% = 100% & "quotes" 'too' ?#;:@=,~!*()[]`,
      `${'é'.repeat(120)}.dump`,
    ];

    it.each(NAMES)('takes the key %s', async (name) => {
      const key = `names/${name}`;
      await put(key, name);
      expect(await read(key)).toBe(name);
      expect(await storage.head(key)).toMatchObject({ bytes: Buffer.byteLength(name) });
      expect(await keysOf(key)).toEqual([key]);
    });

    it('lists the keys as they were given, and those with the prefix only', async () => {
      expect(await keysOf('names/')).toEqual(NAMES.map((name) => `names/${name}`).toSorted());
      expect(await keysOf('names/Ü')).toEqual([`names/${NAMES[1] ?? ''}`]);
      expect(await keysOf('names/nothing')).toEqual([]);
    });

    it('recognises missing objects', async () => {
      await expect(storage.get('missing')).rejects.toMatchObject({
        code: 'STORAGE_OBJECT_MISSING',
      });
      expect(await storage.head('missing')).toBeUndefined();
    });

    it('deletes, and ignores missing objects', async () => {
      await put('deleted', 'text');
      await storage.delete('deleted');
      expect(await storage.head('deleted')).toBeUndefined();
      expect(await keysOf('deleted')).toEqual([]);
      await storage.delete('deleted');
    });

    it('lists more than a thousand', async () => {
      const keys = Array.from({ length: 1005 }, (_, index) => `many/${String(index).padStart(4, '0')}`);
      await inParallel(keys, async (key) => await put(key, ''));
      expect(await keysOf('many/')).toEqual(keys);
      expect(await keysOf('many/100')).toHaveLength(5);
    }, 120_000);

    it.each([0, 1, 2 * MIB, 20 * MIB])(
      'leaves nothing of a stream that fails after %i bytes',
      async (bytes) => {
        const failure = new Error('pg_dump ended with exit code 1');
        const body = randomStream(bytes, () => {
          throw failure;
        });
        await expect(storage.put('failed', body, never)).rejects.toBe(failure);
        expect(await storage.head('failed')).toBeUndefined();
        expect(await keysOf('failed')).toEqual([]);
        expect(await subject.leftovers()).toEqual([]);
      },
    );

    it('leaves nothing of a stream that closes before its end', async () => {
      let left = 20;
      const body = new Readable({
        read() {
          left -= 1;
          if (left < 0) this.destroy();
          else this.push(Buffer.alloc(MIB));
        },
      });
      await expect(storage.put('closed', body, never)).rejects.toMatchObject({
        code: 'ERR_STREAM_PREMATURE_CLOSE',
      });
      expect(await keysOf('closed')).toEqual([]);
      expect(await subject.leftovers()).toEqual([]);
    });

    it.each([0, 1, 20 * MIB])('leaves nothing when it is aborted after %i bytes', async (bytes) => {
      const abort = new AbortController();
      const reason = new Error('the user pressed Ctrl-C');
      const body = randomStream(bytes, async () => {
        setTimeout(() => abort.abort(reason), 20);
        await new Promise(() => undefined);
      });
      await expect(storage.put('aborted', body, abort)).rejects.toBe(reason);
      expect(body.destroyed).toBe(true);
      expect(await storage.head('aborted')).toBeUndefined();
      expect(await subject.leftovers()).toEqual([]);
    });

    it('leaves nothing when it is aborted while bytes are in transit', async () => {
      for (const mib of [1, 9, 17]) {
        const abort = new AbortController();
        const body = randomStream(mib * MIB, () => abort.abort());
        // More data follows immediately: the storage is busy with earlier parts at this moment.
        const longer = Readable.from(concatenated(body, randomStream(9 * MIB)), { objectMode: false });
        await expect(storage.put('aborted', longer, abort)).rejects.toMatchObject({ name: 'AbortError' });
        expect(await storage.head('aborted')).toBeUndefined();
        expect(await subject.leftovers()).toEqual([]);
      }
    });

    it('does not begin if it is aborted already', async () => {
      const body = randomStream(MIB);
      await expect(storage.put('aborted', body, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      });
      expect(body.destroyed).toBe(true);
      expect(await keysOf('aborted')).toEqual([]);
    });

    it('keeps the old object when its replacement fails', async () => {
      await put('kept', 'old');
      const body = randomStream(20 * MIB, () => {
        throw new Error('disk of the source');
      });
      await expect(storage.put('kept', body, never)).rejects.toThrow('disk of the source');
      expect(await read('kept')).toBe('old');
      expect(await subject.leftovers()).toEqual([]);
    });

    it('shows an object only when it is complete', async () => {
      let seen: unknown = 'nothing was looked at';
      const body = randomStream(20 * MIB, async () => {
        seen = [await storage.head('complete'), await keysOf('complete')];
      });
      await storage.put('complete', body, never);
      expect(seen).toEqual([undefined, []]);
      expect(await storage.head('complete')).toMatchObject({ bytes: 20 * MIB });
    });

    it('accepts several puts concurrently', async () => {
      const keys = [1, 2, 3, 4].map((number) => `parallel/${number}`);
      await Promise.all(keys.map(async (key) => await storage.put(key, randomStream(9 * MIB), never)));
      for (const key of keys)
        expect(await digestOf(await storage.get(key))).toBe(await randomDigest(9 * MIB));
    });

    it('allows a reader to stop at any moment', async () => {
      const unread = await storage.get('complete');
      unread.destroy();
      const half = await storage.get('complete');
      for await (const chunk of half) if (chunk.length > 0) break;
      await until(() => unread.closed && half.closed);
    });

    it('needs no more memory for a large object than for a small one', async () => {
      const peak = async (mib: number) =>
        await peakBuffers(async () => {
          await storage.put('large', randomStream(mib * MIB), never);
          await digestOf(await storage.get('large'));
        });
      // The first run also allocates what stays: code, pools, connections.
      await peak(20);
      const small = await peak(20);
      const large = await peak(options.largeMib);
      expect(large).toBeLessThan(64 * MIB);
      // 32 MiB: the parts in transit, the one that is being filled, and socket buffers.
      expect(large / Math.max(small, 32 * MIB)).toBeLessThan(2);
      await storage.delete('large');
    }, 300_000);
  });
}

async function* concatenated(...streams: Readable[]): AsyncGenerator<Buffer> {
  for (const stream of streams) yield* stream;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const workers = Array.from({ length: 16 }, async () => {
    for (const item of queue) await work(item);
  });
  await Promise.all(workers);
}
