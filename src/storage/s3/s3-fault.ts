import { messageOf, propertyOf } from '../../core/errors.js';
import { networkFault, withoutStop, type RemoteFault } from '../remote-fault.js';

const HINTS = {
  keys: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role this process has.',
  grants:
    'Give the credentials s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts on what is in it.',
  bucket: 'Check AWS_S3_BACKUP_BUCKET, or make the bucket: pgkeep makes none by itself.',
  region: 'Set BACKUP_S3_REGION to the region of the bucket.',
  none: 'Give this process credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of the machine or pod.',
  clock: 'Set this machine’s clock: S3 refuses signatures that are more than 15 minutes off.',
  parts:
    'This server takes fewer parts of one object than Amazon S3 does. Have its limit raised (OpenStack Swift: max_upload_part_num and max_manifest_segments), or copy the backup by other means.',
  other: 'Look the code up in the storage’s documentation.',
} as const;

const DENIED: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: HINTS.keys,
  SignatureDoesNotMatch: HINTS.keys,
  InvalidToken: HINTS.keys,
  ExpiredToken: 'The credentials have expired: renew them.',
  RequestTimeTooSkewed: HINTS.clock,
  AccessDenied: HINTS.grants,
};

/** Explains any error of the S3 client. By its code (the error's name); texts differ from server to server. */
export function s3Fault(error: unknown): RemoteFault {
  const name = nameOf(error);
  const status = statusOf(error);
  const said = withoutStop(messageOf(error));
  const text = said === name || said === '' || said === 'UnknownError' ? name : `${name}: ${said}`;
  if (name === 'NoSuchBucket') {
    return { code: 'STORAGE_BUCKET_MISSING', text: 'there is no such bucket', hint: HINTS.bucket };
  }
  if (name === 'CredentialsProviderError') {
    return { code: 'STORAGE_DENIED', text: 'no credentials were found', hint: HINTS.none };
  }
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301) {
    return { code: 'STORAGE_FAILED', text: `the bucket is in another region (${text})`, hint: HINTS.region };
  }
  // No code of its own: Swift and Ceph answer InvalidArgument to a part beyond their limit.
  if (/^Invalid(Argument|Part)/.test(name) && /part number/i.test(said)) {
    return { code: 'STORAGE_FAILED', text, hint: HINTS.parts };
  }
  if (said === 'Region is missing') {
    return { code: 'STORAGE_FAILED', text: 'its region is not known', hint: HINTS.region };
  }
  if (name in DENIED || status === 401 || status === 403) {
    return {
      code: 'STORAGE_DENIED',
      text: `access is denied (${text})`,
      // A HEAD answer has no body, hence no code that says which of the two it is.
      hint: DENIED[name] ?? `${HINTS.keys} ${HINTS.grants}`,
    };
  }
  return networkFault(error, status) ?? { code: 'STORAGE_FAILED', text, hint: HINTS.other };
}

/** Whether the server says that the object, or its bucket, is not there. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** The code of an S3 answer is its error's name. */
export function nameOf(error: unknown): string {
  const name = propertyOf(error, 'name');
  return typeof name === 'string' ? name : '';
}

function statusOf(error: unknown): number | undefined {
  const status = propertyOf(propertyOf(error, '$metadata'), 'httpStatusCode');
  return typeof status === 'number' ? status : undefined;
}
