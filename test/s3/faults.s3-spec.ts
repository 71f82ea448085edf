import '../support/errors-across-realms.js';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { S3BucketSettings } from '../../src/config/settings.js';
import { PgkeepError } from '../../src/core/errors.js';
import { openS3Bucket } from '../../src/storage/s3/s3-storage.js';
import type { BackupStorage } from '../../src/storage/storage.types.js';
import { HttpFaultProxy } from '../support/http-fault-proxy.js';
import { digestOf, randomDigest, randomStream } from '../support/random-stream.js';
import { S3Bucket } from '../support/s3-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const MIB = 1024 * 1024;
const SECRET = 'a-wrong-secret-to-hide';
const never = { signal: new AbortController().signal };
const HURRIED = { attempts: 2, connectMs: 500, idleMs: 1000 };

let bucket: S3Bucket;
beforeAll(async () => {
  bucket = await S3Bucket.create();
});
afterAll(async () => await bucket.remove());

/** All five operations of the contract, each with what it fails with. */
async function failuresOf(storage: BackupStorage): Promise<PgkeepError[]> {
  const operations = [
    storage.put('key', Readable.from(['text']), never),
    storage.put('key', randomStream(9 * MIB), never),
    storage.get('key'),
    storage.head('key'),
    storage.list('')[Symbol.asyncIterator]().next(),
    storage.delete('key'),
  ];
  const results = await Promise.allSettled(operations);
  return results.map((result) => {
    if (result.status === 'rejected' && result.reason instanceof PgkeepError) return result.reason;
    throw new Error(`expected a PgkeepError, not ${JSON.stringify(result)}`);
  });
}

describe('through a failing network', () => {
  let proxy: TcpProxy;
  let settings: S3BucketSettings;
  beforeEach(async () => {
    proxy = await TcpProxy.to(Number(new URL(bucket.settings.endpoint).port));
    settings = { ...bucket.settings, endpoint: `http://127.0.0.1:${proxy.port}` };
  });
  afterEach(async () => await proxy.close());

  it('sends a part again after a reset', async () => {
    const storage = await openS3Bucket(settings);
    let cuts = 0;
    const body = Readable.from(
      (async function* () {
        for await (const chunk of randomStream(40 * MIB)) {
          // In the middle of the second, third and fourth part, while those before are on their way.
          cuts += 1;
          if (cuts % 130 === 0) proxy.cut();
          yield chunk;
        }
      })(),
      { objectMode: false },
    );
    expect(await storage.put('reset', body, never)).toEqual({ bytes: 40 * MIB });
    expect(await digestOf(await storage.get('reset'))).toBe(await randomDigest(40 * MIB));
    expect(await bucket.uploads()).toEqual([]);
  });

  it('tolerates a slow network', async () => {
    proxy.delayMs = 10;
    const storage = await openS3Bucket(settings, HURRIED);
    const startedAt = Date.now();
    expect(await storage.put('slow', randomStream(12 * MIB), never)).toEqual({ bytes: 12 * MIB });
    expect(await digestOf(await storage.get('slow'))).toBe(await randomDigest(12 * MIB));
    expect(Date.now() - startedAt).toBeGreaterThan(HURRIED.idleMs);
  });

  it('continues reading after a reset', async () => {
    const storage = await openS3Bucket(settings);
    await storage.put('reread', randomStream(40 * MIB), never);
    const stream = await storage.get('reread');
    let chunks = 0;
    stream.on('data', () => {
      chunks += 1;
      if (chunks % 200 === 0) proxy.cut();
    });
    const digest = digestOf(stream);
    expect(await digest).toBe(await randomDigest(40 * MIB));
    expect(chunks).toBeGreaterThan(200);
  });

  it('reports a storage that cannot be reached', async () => {
    proxy.mode = 'refuse';
    for (const failure of await failuresOf(await openS3Bucket(settings, HURRIED))) {
      expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE', kind: 'unavailable' });
      expect(failure.message).toMatch(/^Cannot .* s3:\/\/pgkeep-test-\S+: it cannot be reached/);
      expect(failure.hint).toContain('BACKUP_S3_ENDPOINT');
    }
  });

  it('gives up on a storage that hangs', async () => {
    proxy.mode = 'swallow';
    for (const failure of await failuresOf(await openS3Bucket(settings, HURRIED))) {
      expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE', kind: 'unavailable' });
      expect(failure.message).toMatch(/: no answer in time/);
    }
  });

  it('fails an upload immediately and with the cause if the network stays down', async () => {
    const storage = await openS3Bucket(settings, HURRIED);
    const body = randomStream(20 * MIB, async () => {
      proxy.mode = 'refuse';
      proxy.cut();
      // The source sends nothing for a long time: the failure must not wait for it.
      await new Promise(() => undefined);
    });
    await expect(storage.put('lost', body, never)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(body.destroyed).toBe(true);
    const reachable = await openS3Bucket(bucket.settings);
    expect(await reachable.head('lost')).toBeUndefined();
    // Uploaded parts could not be removed; the next run can remove them.
    expect(await bucket.uploads()).toHaveLength(1);
    await reachable.delete('lost');
    expect(await bucket.uploads()).toEqual([]);
  });

  it('explains a download whose network stays down', async () => {
    const storage = await openS3Bucket(settings, HURRIED);
    await storage.put('left', randomStream(20 * MIB), never);
    const stream = await storage.get('left');
    await once(stream, 'readable');
    proxy.mode = 'refuse';
    proxy.cut();
    await expect(digestOf(stream)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(/^Cannot read left from s3:/),
    });
  });
});

describe('with a failing server', () => {
  let proxy: HttpFaultProxy;
  let settings: S3BucketSettings;
  beforeEach(async () => {
    proxy = await HttpFaultProxy.to(bucket.settings.endpoint);
    settings = { ...bucket.settings, endpoint: proxy.url };
  });
  afterEach(async () => await proxy.close());

  it('retries after a 500 or a 503', async () => {
    const asked = new Map<string, number>();
    proxy.fate = (request) => {
      const times = (asked.get(request) ?? 0) + 1;
      asked.set(request, times);
      return times === 1 ? 500 : times === 2 ? 503 : 'pass';
    };
    const storage = await openS3Bucket(settings);
    await storage.put('troubled', randomStream(20 * MIB), never);
    expect(await digestOf(await storage.get('troubled'))).toBe(await randomDigest(20 * MIB));
    await storage.delete('troubled');
    expect(await storage.head('troubled')).toBeUndefined();
    expect(await bucket.uploads()).toEqual([]);
  });

  it('reports a server that keeps answering 500', async () => {
    proxy.fate = () => 500;
    for (const failure of await failuresOf(await openS3Bucket(settings, HURRIED))) {
      expect(failure).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      expect(failure.message).toContain('the server answered 500');
    }
  });

  it('ends an upload whose parts fail', async () => {
    proxy.fate = (request) => (request.includes('partNumber=2') ? 500 : 'pass');
    const storage = await openS3Bucket(settings, HURRIED);
    await expect(storage.put('parts', randomStream(30 * MIB), never)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    expect(await bucket.uploads()).toEqual([]);
    expect(await storage.head('parts')).toBeUndefined();
  });

  it('recognises a completed upload whose answer was lost', async () => {
    let lost = 0;
    proxy.fate = (request) => {
      const isCompletion = request.startsWith('POST') && request.includes('uploadId=');
      if (isCompletion) lost += 1;
      return isCompletion ? 'lose-answer' : 'pass';
    };
    const storage = await openS3Bucket(settings, { ...HURRIED, attempts: 3 });
    expect(await storage.put('answered', randomStream(20 * MIB), never)).toEqual({ bytes: 20 * MIB });
    expect(lost).toBeGreaterThan(0);
    expect(await digestOf(await storage.get('answered'))).toBe(await randomDigest(20 * MIB));
    expect(await bucket.uploads()).toEqual([]);
  });
});

describe('with wrong settings', () => {
  const own = { ...process.env };
  afterEach(() => {
    process.env = { ...own };
  });

  it('explains a refused secret, and does not show it', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = SECRET;
    for (const failure of await failuresOf(await openS3Bucket(bucket.settings))) {
      expect(failure).toMatchObject({ code: 'STORAGE_DENIED' });
      expect(failure.hint).toContain('AWS_SECRET_ACCESS_KEY');
      expect(JSON.stringify([failure, failure.message, failure.hint, failure.cause])).not.toContain(SECRET);
    }
  });

  it('explains an access key that is not known', async () => {
    process.env['AWS_ACCESS_KEY_ID'] = 'unknown';
    for (const failure of await failuresOf(await openS3Bucket(bucket.settings))) {
      expect(failure).toMatchObject({ code: 'STORAGE_DENIED' });
      expect(failure.hint).toContain('AWS_ACCESS_KEY_ID');
    }
  });

  it('reports missing credentials', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'])
      delete process.env[name];
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/nonexistent';
    process.env['AWS_CONFIG_FILE'] = '/nonexistent';
    for (const failure of await failuresOf(await openS3Bucket(bucket.settings))) {
      expect(failure.message).toMatch(/: no credentials were found\.$/);
      expect(failure).toMatchObject({ code: 'STORAGE_DENIED' });
    }
  });

  it('reports a missing bucket', async () => {
    const settings = { ...bucket.settings, bucket: `${bucket.settings.bucket}-gone` };
    for (const failure of await failuresOf(await openS3Bucket(settings))) {
      expect(failure).toMatchObject({ code: 'STORAGE_BUCKET_MISSING' });
      expect(failure.message).toMatch(/s3:\/\/\S+-gone: the bucket does not exist\.$/);
      expect(failure.hint).toContain('AWS_S3_BACKUP_BUCKET');
    }
  });

  it('reports a host without an address', async () => {
    const storage = await openS3Bucket({ ...bucket.settings, endpoint: 'http://s3.invalid' }, HURRIED);
    await expect(storage.head('key')).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('s3.invalid'),
    });
  });
});

it('removes multipart uploads that began long ago, and those of a deleted key', async () => {
  const storage = await openS3Bucket(bucket.settings);
  const { client } = bucket;
  const Bucket = bucket.settings.bucket;
  for (const Key of ['a.dump', 'a.dump.age', 'another/key']) {
    const { UploadId } = await client.createMultipartUpload({ Bucket, Key });
    await client.uploadPart({ Bucket, Key, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * MIB) });
  }
  await storage.discardUnfinished(new Date(Date.now() - 3_600_000));
  expect(await bucket.uploads()).toHaveLength(3);
  await storage.delete('a.dump');
  expect((await bucket.uploads()).map((text) => text.split(' ')[0])).toEqual(['a.dump.age', 'another/key']);
  await storage.discardUnfinished(new Date(Date.now() + 3_600_000));
  expect((await bucket.uploads()).map((text) => text.split(' ')[0])).toEqual(['another/key']);
});
