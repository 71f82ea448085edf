import type { OffsiteSettings } from '../config/settings.js';
import { openGcsBucket } from './gcs/gcs-storage.js';
import { openS3Bucket } from './s3/s3-storage.js';
import type { BackupStorage } from './storage.types.js';

/** One storage for each bucket that is configured. Asks the network nothing; loads the SDKs of those clouds only. */
export async function openBuckets({ s3, gcs }: OffsiteSettings): Promise<BackupStorage[]> {
  return [...(s3 ? [await openS3Bucket(s3)] : []), ...(gcs ? [await openGcsBucket(gcs)] : [])];
}
