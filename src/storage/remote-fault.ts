import { errorCode, type ErrorCode, messageOf, PgkeepError, propertyOf } from '../core/errors.js';
import { formatBytes, withoutStop } from '../core/text.js';

/** Why a request to a bucket failed: a stable code, the cause in one line, the next step. */
export interface RemoteFault {
  readonly code: Extract<ErrorCode, `STORAGE_${string}`>;
  readonly text: string;
  readonly hint: string;
}

/**
 * Returns the error for a fault; `operation` completes "Cannot …" and ends before the location. It has no `cause`: the
 * errors of the clouds' SDKs contain the signed request with its credentials.
 */
export function remoteError(operation: string, location: string, fault: RemoteFault): PgkeepError {
  return new PgkeepError(fault.code, `Cannot ${operation} ${location}: ${fault.text}.`, { hint: fault.hint });
}

/** The largest object of Amazon S3 and Google Cloud Storage. */
const LARGEST_OBJECT_BYTES = 5 * 1024 ** 4;

/** Refuses a stream that is too long for any bucket, before its first byte. @throws PgkeepError `STORAGE_FAILED`. */
export function requireObjectSize(key: string, location: string, expectedBytes = 0): void {
  if (expectedBytes <= LARGEST_OBJECT_BYTES) return;

  throw remoteError(`write ${key} to`, location, {
    code: 'STORAGE_FAILED',
    text: `it has ${formatBytes(expectedBytes)}, and an object can have ${formatBytes(LARGEST_OBJECT_BYTES)} at most`,
    hint: 'Compress it more (BACKUP_COMPRESSION=zstd:9), or copy the backup off-site with another tool.',
  });
}

/** Returns the error for an object that does not exist. */
export function objectMissing(key: string, location: string): PgkeepError {
  return remoteError(`read ${key} from`, location, {
    code: 'STORAGE_OBJECT_MISSING',
    text: 'it does not exist',
    hint: 'Run `pgkeep backup list` to see the backups.',
  });
}

const NETWORK_CODE =
  /^(ECONN(REFUSED|RESET|ABORTED)|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/;
const TIMEOUT_CODE = /^(ETIMEDOUT|ESOCKETTIMEDOUT|ERR_SOCKET_CONNECTION_TIMEOUT)$/;
const TLS_CODE = /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|EPROTO$)/;

/** Explains the faults that all buckets have in common: of the network, and of a server that is out of order. */
export function networkFault(error: unknown, status: number | undefined): RemoteFault | undefined {
  const code = errorCode(error) ?? '';
  const text = withoutStop(messageOf(error) || code);
  // Before the name is checked: the AWS SDK calls a connection reset a TimeoutError, too.
  if (NETWORK_CODE.test(code)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `it cannot be reached (${text})`,
      hint: 'Check that this machine can reach the bucket’s server (name, port, proxy, firewall), and BACKUP_S3_ENDPOINT if it is set.',
    };
  }
  if (TIMEOUT_CODE.test(code) || propertyOf(error, 'name') === 'TimeoutError') {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `no answer in time (${text})`,
      hint: 'The bucket’s server or the network is slow or does not answer: check its status page and the network, then try again.',
    };
  }
  if (TLS_CODE.test(code)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `TLS failed (${text})`,
      hint: 'Set NODE_EXTRA_CA_CERTS to the authority of the server’s certificate, or correct the host name of the endpoint.',
    };
  }
  if (status === 429 || (status !== undefined && status >= 500)) {
    return {
      code: 'STORAGE_UNAVAILABLE',
      text: `the server answered ${status} (${text})`,
      hint: 'The bucket’s server is overloaded or out of order: check its status page, then try again later.',
    };
  }
  return undefined;
}
