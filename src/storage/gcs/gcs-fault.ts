import { messageOf, propertyOf } from '../../core/errors.js';
import { networkFault, withoutStop, type RemoteFault } from '../remote-fault.js';

const HINTS = {
  none: 'Give this process application-default credentials: GOOGLE_APPLICATION_CREDENTIALS names a key file, or workload identity; `gcloud auth application-default login` on a laptop.',
  credentials:
    'Renew or replace the credentials that GOOGLE_APPLICATION_CREDENTIALS or the machine’s identity gives.',
  grants: 'Give the service account the role Storage Object User (roles/storage.objectUser) on the bucket.',
  bucket: 'Check GCS_BACKUP_BUCKET, or make the bucket: pgkeep makes none by itself.',
  other: 'Look the answer up in the documentation of Cloud Storage.',
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
      text: `the credentials are refused (${text})`,
      hint: HINTS.credentials,
    };
  }
  if (status === 403) {
    return { code: 'STORAGE_DENIED', text: `access is denied (${text})`, hint: HINTS.grants };
  }
  if (status === 404) {
    return { code: 'STORAGE_BUCKET_MISSING', text: 'there is no such bucket', hint: HINTS.bucket };
  }
  return networkFault(error, status) ?? { code: 'STORAGE_FAILED', text, hint: HINTS.other };
}

/** The HTTP status of an answer: the client has it as `code`, the library below it as `status`. */
export function statusOf(error: unknown): number | undefined {
  const candidates = [
    propertyOf(error, 'code'),
    propertyOf(error, 'status'),
    propertyOf(propertyOf(error, 'response'), 'status'),
  ];
  return candidates.map(Number).find((status) => status >= 400 && status <= 599);
}

/** The server's own words: in the answer, or in the `message`, which is sometimes the whole JSON it sent. */
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
