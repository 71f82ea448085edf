import '../support/errors-across-realms.js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openS3Bucket } from '../../src/storage/s3/s3-storage.js';
import type { BackupStorage } from '../../src/storage/storage.types.js';
import { FakeFewPartsServer } from '../support/fake-few-parts-server.js';
import { randomStream } from '../support/random-stream.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

describe('a server that accepts few parts per object', () => {
  const signal = new AbortController().signal;
  let server: FakeFewPartsServer;
  let bucket: BackupStorage;

  beforeEach(async () => {
    process.env['AWS_ACCESS_KEY_ID'] = 'tester';
    process.env['AWS_SECRET_ACCESS_KEY'] = 'testing';
    server = await FakeFewPartsServer.start(3);
    bucket = await openS3Bucket({ bucket: 'few', region: 'us-east-1', endpoint: server.url });
  });
  afterEach(async () => await server.close());

  it('gets parts as large as the length of the archive requires', async () => {
    const body = (): ReturnType<typeof randomStream> => randomStream(30 * MIB);
    await bucket.put('short', body(), { signal, expectedBytes: 12_000 * MIB });
    expect(server.parts).toEqual([12 * MIB, 12 * MIB, 6 * MIB]);
    server.parts.length = 0;
    await bucket.put('long', body(), { signal, expectedBytes: 200 * GIB });
    expect(server.parts).toEqual([30 * MIB]);
  });

  it('that refuses a part: the error says what to change', async () => {
    const put = bucket.put('unknown', randomStream(30 * MIB), { signal });
    await expect(put).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message:
        'Cannot write unknown to s3://few: InvalidArgument: Part number must be an integer between 1 and 3, inclusive.',
      hint: 'This server accepts fewer parts of one object than Amazon S3. Raise its limit (OpenStack Swift: max_upload_part_num and max_manifest_segments), or copy the backup off-site with another tool.',
    });
  });

  it('is sent nothing of an archive that no bucket accepts', async () => {
    const body = randomStream(MIB);
    const put = bucket.put('huge', body, { signal, expectedBytes: 6 * 1024 * GIB });
    await expect(put).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: 'Cannot write huge to s3://few: it has 6.0 TB, and an object can have 5.0 TB at most.',
      hint: 'Compress it more (BACKUP_COMPRESSION=zstd:9), or copy the backup off-site with another tool.',
    });
    expect([server.parts, body.destroyed]).toEqual([[], true]);
  });
});
