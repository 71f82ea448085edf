import { STATUS_CODES } from 'node:http';
import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { GuardError, PgkeepError } from 'pgkeep/client';
import { Prisma } from '../generated/prisma/client.js';

/** The answer to a request that failed, `application/problem+json` (RFC 9457). */
interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint?: string | undefined;
}

/** The statuses of what the guard, Prisma and the connections refuse. Everything else is a fault of the application. */
const STATUS: Readonly<Record<string, number>> = {
  // The rules for rows: a protected row, a correction without a reason, a legal hold.
  PK004: 409,
  PK005: 400,
  PK006: 409,
  // No such row, also where it is marked as deleted.
  P2025: 404,
  RECORD_NOT_FOUND: 404,
  PRIVACY_REFUSED: 409,
  USAGE_INVALID: 400,
  NOT_INSTALLED: 503,
  DATABASE_UNREACHABLE: 503,
  POOL_EXHAUSTED: 503,
  CLIENT_CLOSED: 503,
};

@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Clinic');

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = problemOf(error);
    if (problem.status >= 500) this.logger.error(error);
    const title = STATUS_CODES[problem.status] ?? 'Error';
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    httpAdapter.setHeader(response, 'content-type', 'application/problem+json');
    httpAdapter.reply(response, { type: 'about:blank', title, ...problem }, problem.status);
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof HttpException) {
    return { status: error.getStatus(), code: 'REQUEST_REFUSED', detail: error.message };
  }
  if (error instanceof GuardError || error instanceof PgkeepError) {
    const { code, message: detail, hint } = error;
    return { status: STATUS[code] ?? 500, code, detail, hint };
  }
  if (error instanceof Prisma.PrismaClientKnownRequestError && STATUS[error.code] !== undefined) {
    const { code } = error;
    const detail =
      code === 'P2025' ? 'There is no such record.' : 'The database cannot be used now. Retry later.';
    return { status: STATUS[code] ?? 500, code, detail };
  }
  return { status: 500, code: 'INTERNAL', detail: 'The request failed. The log has the reason.' };
}
