import { randomUUID } from 'node:crypto';
import { S3 } from '@aws-sdk/client-s3';
import { silenceAwsSdkWarning } from '../../src/config/process-environment.js';
import type { Environment } from '../../src/config/read-settings.js';
import type { S3BucketSettings } from '../../src/config/settings.js';

/** A new bucket on the server that `TEST_S3_ENDPOINT` names, with access to its contents. */
export class S3Bucket {
  private constructor(
    readonly client: S3,
    readonly settings: S3BucketSettings & { readonly endpoint: string; readonly region: string },
  ) {}

  static async create(): Promise<S3Bucket> {
    const endpoint = process.env['TEST_S3_ENDPOINT'];
    if (!endpoint) throw new Error('these tests want an S3 server: run them with `npm run test:s3`');
    const region = process.env['AWS_REGION'] ?? 'us-east-1';
    silenceAwsSdkWarning();
    const client = new S3({
      endpoint,
      region,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
    const bucket = `pgkeep-test-${randomUUID()}`;
    await client.createBucket({ Bucket: bucket });
    return new S3Bucket(client, { bucket, region, endpoint });
  }

  /** The settings of a pgkeep process that copies its backups here; through a proxy if its address is given. */
  environment(endpoint: string = this.settings.endpoint): Environment {
    return {
      BACKUP_UPLOAD_ENABLED: 'true',
      AWS_S3_BACKUP_BUCKET: this.settings.bucket,
      BACKUP_S3_REGION: this.settings.region,
      BACKUP_S3_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'],
      AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'],
    };
  }

  async keys(): Promise<string[]> {
    const { Contents = [] } = await this.client.listObjectsV2({ Bucket: this.settings.bucket });
    return Contents.map(({ Key = '' }) => Key).toSorted();
  }

  /** Multipart uploads that were neither completed nor aborted. */
  async uploads(): Promise<string[]> {
    const { Uploads = [] } = await this.client.listMultipartUploads({ Bucket: this.settings.bucket });
    return Uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`);
  }

  async remove(): Promise<void> {
    const Bucket = this.settings.bucket;
    for (const { Key, UploadId } of (await this.client.listMultipartUploads({ Bucket })).Uploads ?? []) {
      await this.client.abortMultipartUpload({ Bucket, Key, UploadId });
    }
    for (let more = true; more;) {
      const { Contents = [], IsTruncated } = await this.client.listObjectsV2({ Bucket, MaxKeys: 40 });
      await Promise.all(Contents.map(async ({ Key }) => await this.client.deleteObject({ Bucket, Key })));
      more = IsTruncated === true;
    }
    await this.client.deleteBucket({ Bucket });
    this.client.destroy();
  }
}
