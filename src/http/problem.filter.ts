import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { messageOf } from '../core/errors.js';
import { problemOf } from './problem.js';
import type { Reply } from './reply.js';
import { retryAfterOf } from './failure-throttle.js';

/** Converts every error to a response, in this one place. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = problemOf(error);
    if (problem.code === 'INTERNAL')
      this.logger.error(messageOf(error), error instanceof Error ? error.stack : undefined);
    const reply = host.switchToHttp().getResponse<Reply>();
    reply.status(problem.status);
    reply.header('content-type', 'application/problem+json; charset=utf-8');
    reply.header('cache-control', 'no-store');
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="pgkeep"');
    const retryAfter = retryAfterOf(error);
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    reply.send(JSON.stringify(problem));
  }
}
