import { CLEANUP_FATES } from '../privacy/cleanup/judge-batch.js';
import { GATES } from '../config/settings.js';
import { VERDICT_CODES } from '../readiness/check.js';
import { CHECK_CODES, CHECK_NAMES } from '../readiness/checks.js';
import { policy } from '../readiness/checks/policy.js';
import { alertSchemas } from './openapi-alert-schemas.js';
import { overviewSchemas } from './openapi-overview-schemas.js';
import { jobSchemas } from './openapi-job-schemas.js';
import { privacySchemas } from './openapi-privacy-schemas.js';

const view = {
  ok: { type: 'boolean' },
  details: { type: 'string', description: 'For people; left out with READINESS_DETAILS=codes.' },
  gate: { enum: GATES, description: 'There when the check is not ok.' },
  hint: { type: 'string', description: 'There with a code: the page and section that explain it.' },
};

const codeDescription = 'There when the check is not ok, and when it rests on what was last known.';

const checkSchema = {
  type: 'object',
  required: ['ok'],
  additionalProperties: false,
  properties: { ...view, code: { enum: CHECK_CODES, description: codeDescription } },
};

/** A check that the application added: its codes are its own. */
const applicationCheckSchema = {
  ...checkSchema,
  properties: { ...view, code: { type: 'string', description: codeDescription } },
};

function verdictSchema(added: readonly string[]): object {
  const own = CHECK_NAMES.map((name) => [name, { $ref: '#/components/schemas/Check' }] as const);
  const application = added.map((name) => [name, { $ref: '#/components/schemas/ApplicationCheck' }] as const);
  return {
    type: 'object',
    required: ['status'],
    additionalProperties: false,
    properties: {
      status: { enum: ['ready', 'not_ready'] },
      code: { enum: Object.keys(VERDICT_CODES) },
      hint: view.hint,
      checks: {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries([...own, ...application]),
      },
      evaluatedAt: { type: 'string', format: 'date-time' },
    },
  };
}

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

const differencesSchema = {
  type: 'array',
  items: {
    type: 'object',
    required: ['code', 'text'],
    additionalProperties: false,
    properties: { code: { enum: Object.keys(policy.codes) }, text: { type: 'string' } },
  },
};

const policySchema = {
  type: 'object',
  required: ['database', 'isDeclared', 'differences', 'tables'],
  additionalProperties: false,
  properties: {
    database: { type: 'string' },
    isDeclared: {
      type: 'boolean',
      description: 'false: no Prisma schema was found, and the rules are those that were applied.',
    },
    differences: differencesSchema,
    tables: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'model', 'rule', 'differences', 'notes'],
        additionalProperties: false,
        properties: {
          name: { type: 'string', examples: ['public.children'] },
          model: { type: ['string', 'null'] },
          rule: { type: 'string', examples: ['never deleted, corrections'] },
          differences: differencesSchema,
          notes: { type: 'array', items: { type: 'string' } },
        },
      },
    },
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

const cleanupSchema = {
  type: 'object',
  required: [
    'dryRun',
    'now',
    'graceDays',
    'erased',
    'tables',
    'never',
    'tooLarge',
    'failures',
    'ledgerDigest',
  ],
  properties: {
    dryRun: { type: 'boolean' },
    now: { type: 'string', format: 'date-time', description: 'By the clock of the database.' },
    graceDays: { type: 'integer' },
    erased: { type: 'integer', description: 'Rows that are deleted or anonymized.' },
    tables: {
      type: 'array',
      items: {
        type: 'object',
        required: ['table', 'fate', 'rows', 'keys', 'because'],
        additionalProperties: false,
        properties: {
          table: { type: 'string' },
          fate: { enum: CLEANUP_FATES },
          rows: { type: 'integer' },
          keys: { type: 'array', items: { type: 'string' }, description: 'The first ten.' },
          because: {
            type: 'array',
            items: { type: 'string' },
            description: 'Tables that refer to the rows, and stay.',
          },
        },
      },
    },
    never: { type: 'array', items: { type: 'object', required: ['table', 'rows'] } },
    tooLarge: { type: 'array', items: { type: 'object', required: ['table', 'due', 'rows', 'percent'] } },
    failures: { type: 'array', items: { type: 'object', required: ['table', 'key', 'message'] } },
    ledgerDigest: { type: ['string', 'null'] },
    ledger: { type: ['object', 'null'] },
    recorded: { type: 'boolean' },
  },
};

/** Returns every schema. @param added the names of the checks that the application added */
export function schemasWith(added: readonly string[]): Readonly<Record<string, object>> {
  return {
    Alive: {
      type: 'object',
      required: ['status'],
      additionalProperties: false,
      properties: { status: { const: 'alive' } },
    },
    Check: checkSchema,
    ApplicationCheck: applicationCheckSchema,
    Verdict: verdictSchema(added),
    Health: healthSchema,
    Table: tableSchema,
    Stats: statsSchema,
    Policy: policySchema,
    Cleanup: cleanupSchema,
    Problem: problemSchema,
    ...jobSchemas,
    ...alertSchemas,
    ...privacySchemas,
    ...overviewSchemas,
  };
}
