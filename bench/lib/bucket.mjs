import { S3 } from '@aws-sdk/client-s3';
import { installSwift } from '../../scripts/swift/install.mjs';
import { startSwift } from '../../scripts/swift/start.mjs';

const BUCKET = 'pgkeep-bench';

/**
 * A bucket on a separate Swift on this machine, whose processors do the server's work as well. Undefined if this user
 * may not install it; the measure is then omitted from the table.
 *
 * @param {import('./scene.mjs').Scene} scene
 * @returns {Promise<Record<string, string> | undefined>} pgkeep's settings for it
 */
export async function startBucket(scene) {
  if (process.getuid?.() !== 0) return undefined;
  await installSwift();
  const swift = await startSwift();
  scene.atEnd(() => swift.stop({ keepLogs: false }));
  const {
    TEST_S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  } = swift.env;
  const client = new S3({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.createBucket({ Bucket: BUCKET });
  client.destroy();
  return {
    BACKUP_UPLOAD_ENABLED: 'true',
    AWS_S3_BACKUP_BUCKET: BUCKET,
    BACKUP_S3_REGION: 'us-east-1',
    BACKUP_S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
}
