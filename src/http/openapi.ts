import { Controller, Get, Header, UseFilters } from '@nestjs/common';
import { json, problem, refusals } from './openapi-answers.js';
import { jobPaths } from './openapi-job-paths.js';
import {
  checkSchema,
  healthSchema,
  jobSchemas,
  problemSchema,
  statsSchema,
  tableSchema,
  verdictSchema,
} from './openapi-schemas.js';
import { ProblemFilter } from './problem.filter.js';

/**
 * The contract of the HTTP door, OpenAPI 3.1. Written by hand and not derived from decorators: loading
 * `@nestjs/swagger` costs 130 ms of every start. The tests hold every real answer against it.
 */
export const openApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'pgkeep',
    version: '1',
    description:
      'Tells whether a PostgreSQL + Prisma database is safe to serve from, what is in it, and backs it up.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  paths: {
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
        summary: 'The same verdict in the shape of @nestjs/terminus.',
        responses: { 200: json('Ready.', 'Health'), 503: json('Not ready, and why.', 'Health') },
      },
    },
    '/admin/database/stats': {
      get: {
        operationId: 'databaseStats',
        summary: 'Sizes, row counts and connections.',
        security: [{ adminToken: [] }],
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
    ...jobPaths,
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
  },
  components: {
    securitySchemes: { adminToken: { type: 'http', scheme: 'bearer', description: 'ADMIN_API_TOKEN' } },
    schemas: {
      Alive: {
        type: 'object',
        required: ['status'],
        additionalProperties: false,
        properties: { status: { const: 'alive' } },
      },
      Check: checkSchema,
      Verdict: verdictSchema,
      Health: healthSchema,
      Table: tableSchema,
      Stats: statsSchema,
      Problem: problemSchema,
      ...jobSchemas,
    },
  },
};

/** `/openapi.json`: this service's contract. */
@Controller()
@UseFilters(ProblemFilter)
export class OpenApiController {
  @Get('openapi.json')
  @Header('cache-control', 'no-store')
  document(): object {
    return openApiDocument;
  }
}
