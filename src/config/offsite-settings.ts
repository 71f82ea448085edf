import type { Fault } from './secret-file.js';
import { Setting } from './setting.js';
import { isTrue } from './setting-parsers.js';
import { IsBucket, IsEndpoint, IsFlag } from './setting-rules.js';
import type { OffsiteSettings } from './settings.js';
import { Matches } from './validation.js';

/** The buckets that backups are copied to. */
export class BucketVariables {
  @Setting('BACKUP_UPLOAD_ENABLED', {
    text: 'whether backups are copied to the buckets below: without it they are neither written nor read',
    default: 'false',
    example: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly uploadEnabled: boolean;

  @Setting('AWS_S3_BACKUP_BUCKET', {
    text: 'S3 bucket, of Amazon or of any server that speaks S3; credentials as in every AWS tool: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, or the role of the machine or pod',
    example: 'clinic-backups',
    aliases: ['BACKUP_S3_BUCKET'],
    family: 'AWS_S3_BACKUP_',
    parse: String,
  })
  @IsBucket()
  readonly s3Bucket: string | undefined;

  @Setting('BACKUP_S3_REGION', {
    text: 'region of the bucket; `us-east-1` with an endpoint',
    defaultText: '`AWS_REGION`, or the profile’s',
    example: 'eu-central-1',
    parse: String,
  })
  @Matches(/^[a-z0-9-]+$/, { message: 'a region such as eu-central-1' })
  readonly s3Region: string | undefined;

  @Setting('BACKUP_S3_ENDPOINT', {
    text: 'another S3 server, such as MinIO, Ceph or Swift',
    defaultText: 'Amazon',
    example: 'https://s3.example:9000',
    // A URL with credentials is refused, and not shown.
    secret: true,
    parse: String,
  })
  @IsEndpoint()
  readonly s3Endpoint: string | undefined;

  @Setting('GCS_BACKUP_BUCKET', {
    text: 'Google Cloud Storage bucket; application-default credentials (`GOOGLE_APPLICATION_CREDENTIALS`, workload identity)',
    example: 'clinic-backups',
    family: 'GCS_BACKUP_',
    parse: String,
  })
  @IsBucket()
  readonly gcsBucket: string | undefined;
}

export function toOffsiteSettings(variables: BucketVariables): OffsiteSettings {
  const { uploadEnabled, s3Bucket, s3Region, s3Endpoint, gcsBucket } = variables;
  return {
    uploadEnabled,
    s3: s3Bucket === undefined ? undefined : { bucket: s3Bucket, region: s3Region, endpoint: s3Endpoint },
    gcs: gcsBucket === undefined ? undefined : { bucket: gcsBucket },
  };
}

/** Returns what makes no sense together. */
export function offsiteFaults({
  uploadEnabled,
  s3Bucket,
  s3Region,
  s3Endpoint,
  gcsBucket,
}: BucketVariables): Fault[] {
  const faults: Fault[] = [];
  for (const [subject, value] of [
    ['BACKUP_S3_REGION', s3Region],
    ['BACKUP_S3_ENDPOINT', s3Endpoint],
  ] as const) {
    if (s3Bucket === undefined && value !== undefined) {
      faults.push({ subject, problem: 'is set, but there is no bucket: set AWS_S3_BACKUP_BUCKET too' });
    }
  }
  if (uploadEnabled && s3Bucket === undefined && gcsBucket === undefined) {
    faults.push({
      subject: 'BACKUP_UPLOAD_ENABLED',
      problem: 'is true, but there is no bucket: set AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET',
    });
  }
  return faults;
}
