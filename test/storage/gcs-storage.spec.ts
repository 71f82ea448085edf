import '../support/errors-across-realms.js';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PgkeepError } from '../../src/core/errors.js';
import { openGcsBucket } from '../../src/storage/gcs/gcs-storage.js';
import { PATIENCE, type BackupStorage } from '../../src/storage/storage.types.js';
import { FakeGcsServer } from '../support/fake-gcs-server.js';
import { digestOf, randomDigest, randomStream } from '../support/random-stream.js';
import { describeStorage, type Subject } from './conformance.js';

const MIB = 1024 * 1024;
const never = { signal: new AbortController().signal };
const own = { ...process.env };
const HURRIED = { attempts: 2, connectMs: 500, idleMs: 2000 };

afterAll(() => {
  process.env = own;
});

async function openFake(): Promise<Subject> {
  const fake = await FakeGcsServer.start('clinic-backups');
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = fake.credentials();
  return {
    storage: await openGcsBucket({ bucket: fake.bucket }, PATIENCE, fake.url),
    leftovers: async () => await Promise.resolve([...fake.sessions.keys()]),
    close: async () => await fake.close(),
  };
}

// Google's client computes checksums in JavaScript: less data is enough to see that memory is bounded.
describeStorage('a bucket of the fake of Google Cloud Storage', openFake, { largeMib: 40 });

describe('when the fake of Google Cloud Storage fails', () => {
  let fake: FakeGcsServer;
  const settings = { bucket: 'clinic-backups' };
  const storageWith = async (patience = PATIENCE): Promise<BackupStorage> =>
    await openGcsBucket(settings, patience, fake.url);

  beforeEach(async () => {
    fake = await FakeGcsServer.start(settings.bucket);
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = fake.credentials();
  });
  afterEach(async () => await fake.close());

  async function failuresOf(storage: BackupStorage): Promise<PgkeepError[]> {
    const results = await Promise.allSettled([
      storage.put('key', Readable.from(['text']), never),
      storage.put('key', randomStream(9 * MIB), never),
      storage.get('key'),
      storage.head('key'),
      storage.list('')[Symbol.asyncIterator]().next(),
      storage.delete('key'),
    ]);
    return results.map((result) => {
      if (result.status === 'rejected' && result.reason instanceof PgkeepError) return result.reason;
      throw new Error(`expected a PgkeepError, not ${JSON.stringify(result)}`);
    });
  }

  /** Applies the given fault to the first request of each kind. */
  function once(fate: FakeGcsServer['fate']): FakeGcsServer['fate'] {
    const seen = new Set<string>();
    return (request) => {
      const decided = fate(request);
      if (decided === 'pass' || seen.has(request)) return 'pass';
      seen.add(request);
      return decided;
    };
  }

  it('repeats the step whose connection was cut', async () => {
    fake.fate = once((request) => (request.startsWith('PUT') ? { cutAfter: MIB } : 'pass'));
    const storage = await storageWith();
    expect(await storage.put('cut', randomStream(12 * MIB), never)).toEqual({ bytes: 12 * MIB });
    expect(await digestOf(await storage.get('cut'))).toBe(await randomDigest(12 * MIB));
    expect([...fake.sessions]).toEqual([]);
  });

  it('continues reading after the connection was cut, which Google’s client does not notice', async () => {
    const storage = await storageWith({ ...PATIENCE, idleMs: 500 });
    await storage.put('reread', randomStream(12 * MIB), never);
    let cuts = 0;
    fake.fate = (request) => {
      if (!request.includes('alt=media') || cuts === 2) return 'pass';
      cuts += 1;
      return { cutAfter: 5 * MIB };
    };
    expect(await digestOf(await storage.get('reread'))).toBe(await randomDigest(12 * MIB));
    expect(cuts).toBe(2);
  });

  it('retries after a 503', async () => {
    fake.fate = once((request) => (/^PUT|^DELETE/.test(request) ? 503 : 'pass'));
    const storage = await storageWith();
    await storage.put('large', randomStream(9 * MIB), never);
    expect(await storage.head('large')).toMatchObject({ bytes: 9 * MIB });
    await storage.delete('large');
    expect(fake.requests.filter((request) => request.startsWith('DELETE'))).toHaveLength(2);
  });

  it('reports a server that keeps answering 503, and cancels the upload', async () => {
    fake.fate = (request) =>
      /^PUT|\/token\//.test(request) || request.includes('uploadType=resumable') ? 'pass' : 503;
    const storage = await storageWith(HURRIED);
    await expect(storage.head('key')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('the server answered 503'),
    });
    fake.fate = (request) => (request.startsWith('PUT') ? 503 : 'pass');
    await expect(storage.put('key', randomStream(12 * MIB), never)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    expect([...fake.sessions]).toEqual([]);
    expect(await storage.head('key')).toBeUndefined();
  });

  it('gives up on a server that stops reading', async () => {
    fake.fate = (request) => (request.startsWith('PUT') ? 'hang' : 'pass');
    const storage = await storageWith({ ...HURRIED, idleMs: 200 });
    await expect(storage.put('key', randomStream(12 * MIB), never)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message:
        'Cannot write key to gs://clinic-backups: no answer in time (the server accepted no data for 1000 ms).',
    });
  });

  it('explains a missing bucket', async () => {
    const storage = await openGcsBucket({ bucket: 'gone' }, PATIENCE, fake.url);
    for (const failure of await failuresOf(storage)) {
      expect(failure).toMatchObject({ code: 'STORAGE_BUCKET_MISSING' });
      expect(failure.message).toMatch(/gs:\/\/gone: the bucket does not exist\.$/);
    }
  });

  it('explains credentials without the grant, and shows no token', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = fake.credentials('unknown');
    fake.fate = (request) => (request.includes('uploadType=resumable') ? 403 : 'pass');
    for (const failure of await failuresOf(await storageWith())) {
      expect(failure).toMatchObject({ code: 'STORAGE_DENIED' });
      expect(failure.message).toMatch(/access denied \((caller does not have|the fake was set)/);
      expect(JSON.stringify([failure, failure.message, failure.hint, failure.cause])).not.toContain(
        'token-of',
      );
    }
  });

  it('reports missing credentials', async () => {
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = '';
    process.env['CLOUDSDK_CONFIG'] = '/nonexistent';
    process.env['METADATA_SERVER_DETECTION'] = 'none';
    fake.fate = (request) => (request.includes('uploadType=resumable') ? 401 : 'pass');
    const failures = await failuresOf(await storageWith(HURRIED));
    expect(failures.map(({ code }) => code)).toEqual(failures.map(() => 'STORAGE_DENIED'));
    expect(failures[0]?.message).toMatch(/no credentials were found\.$/);
  });

  it('reports a server that cannot be reached', async () => {
    const storage = await storageWith(HURRIED);
    await storage.head('key');
    await fake.close();
    for (const failure of await failuresOf(storage)) {
      expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    }
    fake = await FakeGcsServer.start(settings.bucket);
  });
});
