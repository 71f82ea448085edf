import { messageOf, propertyOf } from '../../core/errors.js';
import { withoutStop } from '../../core/text.js';
import { networkFault, type RemoteFault } from '../remote-fault.js';

const HINTS = {
  none: 'Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or use workload identity. On a laptop: `gcloud auth application-default login`.',
  credentials:
    'Renew or replace the credentials of GOOGLE_APPLICATION_CREDENTIALS or of the machine’s identity.',
  grants: 'Give the service account the role Storage Object User (roles/storage.objectUser) on the bucket.',
  bucket: 'Check GCS_BACKUP_BUCKET, or create the bucket: pgkeep does not create buckets.',
  other: 'See the documentation of Cloud Storage for this error.',
} as const;

/** Explains any error of the Google Cloud Storage client, by HTTP status. */
export function gcsFault(error: unknown): RemoteFault {
  const status = statusOf(error);
  const text = withoutStop(saidBy(error));
  if (text.startsWith('Could not load the default credentials')) {
    return { code: 'STORAGE_DENIED', text: 'no credentials were found', hint: HINTS.none };
  }
  if (status === 401) {
    return {
      code: 'STORAGE_DENIED',
      text: `the credentials were refused (${text})`,
      hint: HINTS.credentials,
    };
  }
  if (status === 403) {
    return { code: 'STORAGE_DENIED', text: `access denied (${text})`, hint: HINTS.grants };
  }
  if (status === 404) {
    return { code: 'STORAGE_BUCKET_MISSING', text: 'the bucket does not exist', hint: HINTS.bucket };
  }
  return networkFault(error, status) ?? { code: 'STORAGE_FAILED', text, hint: HINTS.other };
}

/** Returns the HTTP status of an error: the client has it as `code`, the library below it as `status`. */
export function statusOf(error: unknown): number | undefined {
  const candidates = [
    propertyOf(error, 'code'),
    propertyOf(error, 'status'),
    propertyOf(propertyOf(error, 'response'), 'status'),
  ];
  return candidates.map(Number).find((status) => status >= 400 && status <= 599);
}

/** Returns the server's message, from the response or from `message`, which is sometimes the JSON of the response. */
function saidBy(error: unknown): string {
  const message = messageOf(error);
  const answered = messageIn(propertyOf(propertyOf(error, 'response'), 'data'));
  if (answered !== undefined) return answered;
  try {
    return messageIn(JSON.parse(message)) ?? message;
  } catch {
    return message;
  }
}

function messageIn(answer: unknown): string | undefined {
  const message = propertyOf(propertyOf(answer, 'error'), 'message');
  return typeof message === 'string' ? message : undefined;
}
