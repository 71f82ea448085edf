import { accepted, json, optionalBody, problem, refusals, requires } from './openapi-parts.js';
import { alertPaths } from './openapi-alert-paths.js';
import { privacyPaths } from './openapi-privacy-paths.js';
import { schemasWith } from './openapi-schemas.js';

/**
 * Returns the OpenAPI 3.1 document of the HTTP interface. Written by hand and not derived from decorators: loading
 * `@nestjs/swagger` costs 130 ms of every start. The tests hold every real response against it.
 * @param added the names of the checks that the application added
 */
export function openApiDocument(added: readonly string[] = []) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'pgkeep',
      version: '1',
      description:
        'Reports whether a PostgreSQL + Prisma database is safe to serve from, what is in it, and backs it up.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'ADMIN_API_TOKEN, which has every role. Each route names the least role that may use it.',
        },
        metricsToken: { type: 'http', scheme: 'bearer', description: 'METRICS_TOKEN' },
      },
      schemas: schemasWith(added),
    },
  };
}

/** Every route. */
const paths = {
  '/live': {
    get: {
      operationId: 'live',
      summary: 'Liveness probe: touches nothing.',
      responses: { 200: json('The process answers.', 'Alive') },
    },
  },
  '/ready': {
    get: {
      operationId: 'ready',
      summary: 'Readiness probe: the latest verdict, from memory.',
      responses: { 200: json('Ready.', 'Verdict'), 503: json('Not ready, and why.', 'Verdict') },
    },
  },
  '/health': {
    get: {
      operationId: 'health',
      summary: 'The same verdict in the format of @nestjs/terminus.',
      responses: { 200: json('Ready.', 'Health'), 503: json('Not ready, and why.', 'Health') },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'What this process knows, from memory, in Prometheus’ text format.',
      security: [{ metricsToken: [] }, ...requires('viewer')],
      responses: {
        200: {
          description: 'The metrics.',
          content: { 'text/plain; version=0.0.4; charset=utf-8': { schema: { type: 'string' } } },
        },
        401: problem('The token is missing or wrong.'),
        403: problem('No token is configured.'),
        429: problem('Too many failed attempts from this address; see Retry-After.'),
      },
    },
  },
  '/admin/database/stats': {
    get: {
      operationId: 'databaseStats',
      summary: 'Sizes, row counts and connections.',
      security: requires('viewer'),
      parameters: [
        {
          name: 'rows',
          in: 'query',
          description: 'exact: count every table, within one statement timeout.',
          schema: { enum: ['estimated', 'exact'], default: 'estimated' },
        },
      ],
      responses: {
        200: json('The statistics.', 'Stats'),
        400: problem('The parameter rows is neither estimated nor exact.'),
        ...refusals,
      },
    },
  },
  '/admin/overview': {
    get: {
      operationId: 'overview',
      summary:
        'What the dashboard shows: verdict, what needs attention, what is upcoming, and every fact with its age.',
      security: requires('viewer'),
      responses: {
        200: json('The newest overview, from memory.', 'Overview'),
        ...refusals,
      },
    },
  },
  '/admin/policy': {
    get: {
      operationId: 'policy',
      summary: 'The rules of the tables, and whether the database enforces them.',
      security: requires('viewer'),
      responses: {
        200: json('Every table that has a rule.', 'Policy'),
        ...refusals,
      },
    },
  },
  '/admin/jobs': {
    get: {
      operationId: 'jobs',
      summary: 'Each job: its schedule, when it is due next, and its newest runs.',
      security: requires('viewer'),
      responses: {
        200: json('Every job with its newest runs.', 'Jobs'),
        ...refusals,
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/jobs/{id}': {
    get: {
      operationId: 'jobRun',
      summary: 'One run.',
      security: requires('viewer'),
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }],
      responses: {
        200: json('The run.', 'JobRun'),
        ...refusals,
        404: problem('There is no such run.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/backups': {
    get: {
      operationId: 'backups',
      summary: 'All complete backups, the newest first.',
      security: requires('viewer'),
      responses: {
        200: json('The backups.', 'Backups'),
        ...refusals,
        500: problem('The storage does not answer.'),
      },
    },
    post: {
      operationId: 'backUp',
      summary: 'Starts a backup, which continues after the response.',
      security: requires('operator'),
      requestBody: optionalBody('NoParameters'),
      responses: {
        202: accepted('The backup has begun.'),
        ...refusals,
        400: problem('The body is not valid for this route.'),
        409: problem('A backup is already running, or backups are off.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/privacy/due': {
    get: {
      operationId: 'due',
      summary: 'Marked rows whose grace period is over, and what a cleanup would do with them.',
      security: requires('admin'),
      responses: {
        200: json('What a cleanup would do.', 'Cleanup'),
        ...refusals,
        409: problem('A clean-up would be refused: no rule is in force, or the clocks differ.'),
        500: problem('pgkeep’s schema is not installed, or there is no Prisma schema.'),
      },
    },
  },
  '/admin/privacy/cleanup': {
    post: {
      operationId: 'cleanUp',
      summary: 'Starts a cleanup, which continues after the response.',
      security: requires('admin'),
      requestBody: optionalBody('NoParameters'),
      responses: {
        202: accepted('The cleanup has begun.'),
        ...refusals,
        400: problem('The body is not valid for this route.'),
        409: problem('A cleanup is already running, or backups are off.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/restore-tests': {
    get: {
      operationId: 'restoreTests',
      summary: 'The newest restore tests, and whether the chain of their evidence is intact.',
      security: requires('viewer'),
      responses: {
        200: json('The restore tests.', 'RestoreTests'),
        ...refusals,
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
    post: {
      operationId: 'testRestore',
      summary: 'Starts a restore test, which continues after the response.',
      security: requires('operator'),
      requestBody: optionalBody('RestoreTestParameters'),
      responses: {
        202: accepted('The restore test has begun.'),
        ...refusals,
        400: problem('The body is not valid for this route.'),
        404: problem('There is no such backup.'),
        409: problem('A restore test is already running, or backups are off.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  ...alertPaths,
  ...privacyPaths(),
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document.',
      responses: {
        200: {
          description: 'OpenAPI 3.1.',
          content: { 'application/json': { schema: { type: 'object' } } },
        },
      },
    },
  },
};
