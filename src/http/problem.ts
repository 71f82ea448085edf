import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { retryAfterOf } from '../access/failure-throttle.js';
import { type ErrorCode, type ErrorKind, messageOf, PgkeepError } from '../core/errors.js';
import type { Reply } from './reply.js';

/** An error answer, `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly type: 'about:blank';
  /** The status' own phrase, as RFC 9457 asks of `about:blank`. */
  readonly title: string;
  readonly status: number;
  /** What went wrong, in a sentence. */
  readonly detail: string;
  /** pgkeep's stable code. */
  readonly code: string;
  /** What to do next. */
  readonly hint?: string;
}

const STATUS_OF_KIND: Record<ErrorKind, number> = {
  configuration: 500,
  usage: 400,
  refused: 409,
  denied: 403,
  unavailable: 503,
  failed: 500,
};

/** Codes whose status is not that of their kind. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  ADMIN_TOKEN_REQUIRED: 401,
  SIGN_IN_REQUIRED: 401,
  SIGN_IN_REFUSED: 401,
  JWT_REFUSED: 401,
  METRICS_TOKEN_REQUIRED: 401,
  TOO_MANY_FAILURES: 429,
  ROUTE_NOT_FOUND: 404,
  JOB_RUN_NOT_FOUND: 404,
  BACKUP_NOT_FOUND: 404,
  RECORD_NOT_FOUND: 404,
};

/** Converts anything that was thrown. Only pgkeep's own errors are explained to clients. */
export function problemOf(error: unknown): Problem {
  if (error instanceof PgkeepError) {
    const status = STATUS_OF_CODE[error.code] ?? STATUS_OF_KIND[error.kind];
    return problem(status, error.code, error.message, error.hint);
  }
  if (error instanceof HttpException) {
    const status = error.getStatus();
    return problem(status, status === 404 ? 'ROUTE_NOT_FOUND' : 'REQUEST_REFUSED', messageOf(error));
  }
  const status = statusCodeOf(error);
  if (status !== undefined && status < 500) return problem(status, 'REQUEST_REFUSED', messageOf(error));
  return problem(500, 'INTERNAL', 'The request failed. The log of pgkeep has the reason.');
}

/** Converts every error to a response, in this one place. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const answer = problemOf(error);
    if (answer.code === 'INTERNAL')
      this.logger.error(messageOf(error), error instanceof Error ? error.stack : undefined);
    const reply = host.switchToHttp().getResponse<Reply>();
    reply.status(answer.status);
    reply.header('content-type', 'application/problem+json; charset=utf-8');
    reply.header('cache-control', 'no-store');
    if (answer.status === 401) {
      const reason = answer.code === 'JWT_REFUSED' ? ', error="invalid_token"' : '';
      reply.header('www-authenticate', `Bearer realm="pgkeep"${reason}`);
    }
    const retryAfter = retryAfterOf(error);
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    reply.send(JSON.stringify(answer));
  }
}

export function problem(status: number, code: string, detail: string, hint?: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: 'about:blank', title, status, detail, code, ...(hint !== undefined && { hint }) };
}

/** Reads the status of Fastify's own errors: a body that is too large, a media type that is not supported. */
function statusCodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}
