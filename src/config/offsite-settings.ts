import type { EnvironmentVariables } from './settings-list.js';
import type { Fault } from './settings-reader.js';
import type { OffsiteSettings } from './settings.js';

/** The slice of the settings that says where backups are copied to. */
export function toOffsiteSettings(variables: EnvironmentVariables): OffsiteSettings {
  const s3 = variables.AWS_S3_BACKUP_BUCKET ?? variables.BACKUP_S3_BUCKET;
  const gcs = variables.GCS_BACKUP_BUCKET;
  return {
    uploadEnabled: variables.BACKUP_UPLOAD_ENABLED?.toLowerCase() === 'true',
    s3:
      s3 === undefined
        ? undefined
        : { bucket: s3, region: variables.BACKUP_S3_REGION, endpoint: variables.BACKUP_S3_ENDPOINT },
    gcs: gcs === undefined ? undefined : { bucket: gcs },
  };
}

/** Settings of the buckets that are well formed, each by itself, and make no sense together. */
export function offsiteContradictions(variables: EnvironmentVariables): Fault[] {
  const faults: Fault[] = [];
  const { AWS_S3_BACKUP_BUCKET: bucket, BACKUP_S3_BUCKET: alias } = variables;
  if (bucket !== undefined && alias !== undefined && bucket !== alias) {
    faults.push({
      subject: 'BACKUP_S3_BUCKET',
      problem: `is ${alias}, but AWS_S3_BACKUP_BUCKET, of which it is an alias, is ${bucket}: keep one`,
    });
  }
  const { s3, gcs, uploadEnabled } = toOffsiteSettings(variables);
  for (const name of ['BACKUP_S3_REGION', 'BACKUP_S3_ENDPOINT'] as const) {
    if (s3 === undefined && variables[name] !== undefined) {
      faults.push({ subject: name, problem: 'is set, but no bucket there: set AWS_S3_BACKUP_BUCKET too' });
    }
  }
  if (uploadEnabled && s3 === undefined && gcs === undefined) {
    faults.push({
      subject: 'BACKUP_UPLOAD_ENABLED',
      problem: 'is true, but there is no bucket: set AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET',
    });
  }
  return faults;
}
