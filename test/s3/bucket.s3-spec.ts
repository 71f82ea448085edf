import '../support/errors-across-realms.js';
import { openS3Bucket } from '../../src/storage/s3/s3-storage.js';
import { describeStorage } from '../storage/conformance.js';
import { S3Bucket } from '../support/s3-server.js';

describeStorage('a bucket of an S3 server', async () => {
  const bucket = await S3Bucket.create();
  return {
    storage: await openS3Bucket(bucket.settings),
    leftovers: async () => await bucket.uploads(),
    close: async () => await bucket.remove(),
  };
});
