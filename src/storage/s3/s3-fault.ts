import { messageOf, propertyOf } from '../../core/errors.js';
import { withoutStop } from '../../core/text.js';
import { networkFault, type RemoteFault } from '../remote-fault.js';

const HINTS = {
  keys: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role of this process.',
  grants:
    'Give the credentials s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts on what is in it.',
  bucket: 'Check AWS_S3_BACKUP_BUCKET, or create the bucket: pgkeep does not create buckets.',
  region: 'Set BACKUP_S3_REGION to the region of the bucket.',
  none: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine or pod a role.',
  clock: 'Correct this machine’s clock: S3 refuses requests whose time is more than 15 minutes off.',
  parts:
    'This server accepts fewer parts of one object than Amazon S3. Raise its limit (OpenStack Swift: max_upload_part_num and max_manifest_segments), or copy the backup off-site with another tool.',
  other: 'See the documentation of the storage for this error.',
} as const;

const DENIED: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: HINTS.keys,
  SignatureDoesNotMatch: HINTS.keys,
  InvalidToken: HINTS.keys,
  ExpiredToken: 'The credentials have expired: renew them.',
  RequestTimeTooSkewed: HINTS.clock,
  AccessDenied: HINTS.grants,
};

/** Explains any error of the S3 client by its code (the error's name), because texts differ between servers. */
export function s3Fault(error: unknown): RemoteFault {
  const name = nameOf(error);
  const status = statusOf(error);
  const said = withoutStop(messageOf(error));
  const text = said === name || said === '' || said === 'UnknownError' ? name : `${name}: ${said}`;
  if (name === 'NoSuchBucket') {
    return { code: 'STORAGE_BUCKET_MISSING', text: 'the bucket does not exist', hint: HINTS.bucket };
  }
  if (name === 'CredentialsProviderError') {
    return { code: 'STORAGE_DENIED', text: 'no credentials were found', hint: HINTS.none };
  }
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301) {
    return { code: 'STORAGE_FAILED', text: `the bucket is in another region (${text})`, hint: HINTS.region };
  }
  // Swift and Ceph have no separate code for this: they answer InvalidArgument to a part beyond their limit.
  if (/^Invalid(Argument|Part)/.test(name) && /part number/i.test(said)) {
    return { code: 'STORAGE_FAILED', text, hint: HINTS.parts };
  }
  if (said === 'Region is missing') {
    return { code: 'STORAGE_FAILED', text: 'its region is unknown', hint: HINTS.region };
  }
  if (name in DENIED || status === 401 || status === 403) {
    return {
      code: 'STORAGE_DENIED',
      text: `access denied (${text})`,
      // The response to HEAD has no body, and so no code that says which of the two it is.
      hint: DENIED[name] ?? `${HINTS.keys} ${HINTS.grants}`,
    };
  }
  return networkFault(error, status) ?? { code: 'STORAGE_FAILED', text, hint: HINTS.other };
}

/** Returns whether the server answered that the object, or its bucket, does not exist. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** Returns the name of an error, which is the code of an S3 response. */
export function nameOf(error: unknown): string {
  const name = propertyOf(error, 'name');
  return typeof name === 'string' ? name : '';
}

function statusOf(error: unknown): number | undefined {
  const status = propertyOf(propertyOf(error, '$metadata'), 'httpStatusCode');
  return typeof status === 'number' ? status : undefined;
}
