import { CHECK_CODES } from '../core/errors.js';
import { CHECK_NAMES, GATES } from '../config/settings.js';
import { json, problem, refusals } from './openapi-answers.js';
import { jobPaths } from './openapi-job-paths.js';
import { jobSchemas } from './openapi-jobs.js';

const checkSchema = {
  type: 'object',
  required: ['ok'],
  additionalProperties: false,
  properties: {
    ok: { type: 'boolean' },
    details: { type: 'string', description: 'For people; left out with READINESS_DETAILS=codes.' },
    code: {
      enum: CHECK_CODES,
      description: 'There when the check is not ok, and when it rests on what was last known.',
    },
    gate: { enum: GATES, description: 'There when the check is not ok.' },
  },
};

const verdictSchema = {
  type: 'object',
  required: ['status'],
  additionalProperties: false,
  properties: {
    status: { enum: ['ready', 'not_ready'] },
    code: { enum: ['EVALUATION_STALE', 'EVALUATION_PENDING', 'SHUTTING_DOWN'] },
    checks: {
      type: 'object',
      additionalProperties: false,
      properties: Object.fromEntries(
        CHECK_NAMES.map((name) => [name, { $ref: '#/components/schemas/Check' }]),
      ),
    },
    evaluatedAt: { type: 'string', format: 'date-time' },
  },
};

const healthSchema = {
  type: 'object',
  required: ['status'],
  properties: {
    status: { enum: ['ok', 'degraded', 'error', 'shutting_down'] },
    info: { type: 'object' },
    error: { type: 'object' },
    details: { type: 'object' },
  },
};

const tableSchema = {
  type: 'object',
  required: [
    'name',
    'rowCount',
    'rowCountIsExact',
    'totalBytes',
    'indexBytes',
    'sizesAreExact',
    'deadRows',
    'lastVacuumAt',
    'lastAnalyzeAt',
  ],
  additionalProperties: false,
  properties: {
    name: { type: 'string', examples: ['public.children'] },
    rowCount: { type: 'integer', minimum: 0 },
    rowCountIsExact: { type: 'boolean' },
    totalBytes: { type: 'integer', minimum: 0 },
    indexBytes: { type: 'integer', minimum: 0 },
    sizesAreExact: {
      type: 'boolean',
      description: 'false: the sizes of the last VACUUM or ANALYZE, as for all but the largest tables.',
    },
    deadRows: { type: ['integer', 'null'] },
    lastVacuumAt: { type: ['string', 'null'], format: 'date-time' },
    lastAnalyzeAt: { type: ['string', 'null'], format: 'date-time' },
    countTimedOut: { const: true },
    locked: {
      const: true,
      description:
        'Another session holds the table exclusively, or waits to: it was neither measured nor counted.',
    },
  },
};

const statsSchema = {
  type: 'object',
  required: ['sizeBytes', 'sizeMB', 'tableCount', 'tables', 'connections', 'collectedAt'],
  additionalProperties: false,
  properties: {
    sizeBytes: { type: 'integer', minimum: 0 },
    sizeMB: { type: 'number', minimum: 0 },
    tableCount: { type: 'integer', minimum: 0 },
    tables: { type: 'array', items: { $ref: '#/components/schemas/Table' } },
    connections: {
      type: 'object',
      required: ['used', 'max', 'pool'],
      additionalProperties: false,
      properties: {
        used: { type: 'integer' },
        max: { type: 'integer' },
        pool: {
          type: 'object',
          required: ['total', 'idle', 'waiting'],
          additionalProperties: false,
          properties: { total: { type: 'integer' }, idle: { type: 'integer' }, waiting: { type: 'integer' } },
        },
      },
    },
    collectedAt: { type: 'string', format: 'date-time' },
  },
};

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  additionalProperties: false,
  properties: {
    type: { const: 'about:blank' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    hint: { type: 'string' },
  },
};

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
