import { errorCode, PgkeepError, messageOf, type ErrorCode, propertyOf } from '../core/errors.js';

/** Why a bucket did not do as asked: a stable code, the cause in one line, the next step. */
export interface RemoteFault {
  readonly code: Extract<ErrorCode, `STORAGE_${string}`>;
  readonly text: string;
  readonly hint: string;
}

/**
 * The fault as an error to throw: `operation` completes "Cannot …" and ends before the location. Carries no
 * `cause`: the error objects of the clouds' SDKs hold the request they signed, credentials and all.
 */
export function remoteError(operation: string, location: string, fault: RemoteFault): PgkeepError {
  return new PgkeepError(fault.code, `Cannot ${operation} ${location}: ${fault.text}.`, { hint: fault.hint });
}

/** Amazon S3 and Google Cloud Storage take no larger object. */
const LARGEST_OBJECT_BYTES = 5 * 1024 ** 4;

/** Refuses, before the first byte, what no bucket takes. @throws PgkeepError `STORAGE_FAILED`. */
export function requireObjectSize(key: string, location: string, expectedBytes = 0): void {
  if (expectedBytes <= LARGEST_OBJECT_BYTES) return;
  const size = (expectedBytes / 1024 ** 4).toFixed(1);
  throw remoteError(`write ${key} to`, location, {
    code: 'STORAGE_FAILED',
    text: `it has ${size} TiB, and an object can have 5 TiB at most`,
    hint: 'Compress it more (BACKUP_COMPRESSION=zstd:9), or keep the copy off-site by other means.',
  });
}

/** There is nothing under this key. */
export function objectMissing(key: string, location: string): PgkeepError {
  return remoteError(`read ${key} from`, location, {
    code: 'STORAGE_OBJECT_MISSING',
    text: 'it is not there',
    hint: 'Look at what is there: `pgkeep backup list`.',
  });
}

const NETWORK_CODE =
  /^(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/;
const TIMEOUT_CODE = /^(ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_CONNECTION_TIMEOUT)$/;
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|EPROTO$)/;

/** Explains what all buckets have in common: the network, and a server with troubles of its own. */
export function networkFault(error: unknown, status: number | undefined): RemoteFault | undefined {
  const code = errorCode(error) ?? '';
  const text = withoutStop(messageOf(error) || code);
  // Before the name: the AWS SDK calls a reset a TimeoutError too.
  if (NETWORK_CODE.test(code)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `it cannot be reached (${text})`,
      hint: 'Check that this machine reaches the bucket’s server (name, port, proxy, firewall), and BACKUP_S3_ENDPOINT where it is set.',
    };
  }
  if (TIMEOUT_CODE.test(code) || propertyOf(error, 'name') === 'TimeoutError') {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `no answer in time (${text})`,
      hint: 'The bucket’s server or the way to it is slow or hangs: look at its status page and at the network, then try again.',
    };
  }
  if (TLS_CODE.test(code)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `TLS failed (${text})`,
      hint: 'Name the authority of the server’s certificate in NODE_EXTRA_CA_CERTS, or correct the endpoint’s host name.',
    };
  }
  if (status === 429 || (status !== undefined && status >= 500)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `it answers ${status} (${text})`,
      hint: 'The bucket’s server has troubles of its own: look at its status page, try again later.',
    };
  }
  return undefined;
}

/** A text that goes into a sentence. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, '');
}
