import { GATES } from '../config/settings.js';
import { JOB_NAMES } from '../maintenance/job-definitions.js';
import { VERDICT_CODES } from '../readiness/check.js';
import { CHECK_CODES, CHECK_NAMES } from '../readiness/checks.js';

const time = { type: 'string', format: 'date-time' };
const timeOrNull = { type: ['string', 'null'], format: 'date-time' };
const textOrNull = { type: ['string', 'null'] };

const runSchema = {
  type: 'object',
  required: [
    'id',
    'job',
    'dueAt',
    'trigger',
    'state',
    'fence',
    'holder',
    'startedAt',
    'finishedAt',
    'leaseExpiresAt',
    'losses',
    'parameters',
    'result',
    'error',
  ],
  additionalProperties: false,
  properties: {
    id: { type: 'string', format: 'uuid' },
    job: { enum: JOB_NAMES },
    dueAt: { ...time, description: 'By the schedule; of a manual run, when it was requested.' },
    trigger: { enum: ['schedule', 'catch-up', 'manual'] },
    state: {
      enum: ['running', 'succeeded', 'failed', 'lost', 'interrupted', 'skipped'],
      description: 'lost and interrupted runs are taken over by another replica.',
    },
    fence: {
      type: ['integer', 'null'],
      description: 'The fencing number: each claim of a job has a greater one.',
    },
    holder: { ...textOrNull, description: 'pid@host' },
    startedAt: timeOrNull,
    finishedAt: timeOrNull,
    leaseExpiresAt: { ...timeOrNull, description: 'Not null while it runs.' },
    losses: {
      type: 'integer',
      minimum: 0,
      description: 'How often its holder stopped without an end of the run.',
    },
    parameters: { type: 'object' },
    result: { type: ['object', 'null'] },
    error: {
      type: ['object', 'null'],
      required: ['code', 'message'],
      additionalProperties: false,
      properties: { code: { type: 'string' }, message: { type: 'string' }, hint: { type: 'string' } },
    },
  },
};

const jobSchema = {
  type: 'object',
  required: ['name', 'schedule', 'after', 'nextDueAt', 'overdueSince', 'registeredAt', 'running', 'runs'],
  additionalProperties: false,
  properties: {
    name: { enum: JOB_NAMES },
    schedule: { ...textOrNull, description: 'The cron expression; null where it is off.' },
    after: { ...textOrNull, description: 'The job whose scheduled runs it follows.' },
    nextDueAt: timeOrNull,
    overdueSince: timeOrNull,
    registeredAt: timeOrNull,
    running: { ...textOrNull, description: 'The id of the current run.' },
    runs: { type: 'array', maxItems: 10, items: { $ref: '#/components/schemas/JobRun' } },
  },
};

const backupSchema = {
  type: 'object',
  required: [
    'name',
    'database',
    'environment',
    'reason',
    'finishedAt',
    'bytes',
    'encrypted',
    'pinned',
    'locations',
    'without',
    'restoreTest',
  ],
  properties: {
    name: { type: 'string' },
    database: { type: 'string' },
    environment: { type: 'string' },
    reason: { enum: ['scheduled', 'manual', 'pre-migration', 'pre-restore'] },
    origin: { ...textOrNull, description: 'The backup that was restored after this one was made.' },
    finishedAt: time,
    bytes: { type: 'integer', minimum: 0 },
    encrypted: { type: 'boolean' },
    pinned: { type: 'boolean' },
    locations: { type: 'array', items: { type: 'string' } },
    without: {
      type: 'array',
      items: { type: 'string' },
      description: 'The parts of the database that are not in it.',
    },
    restoreTest: { enum: ['passed', 'failed', null] },
  },
};

/** Schemas of the admin routes about jobs and backups. */
const jobSchemas = {
  JobRun: runSchema,
  Job: jobSchema,
  Jobs: {
    type: 'object',
    required: ['enabled', 'timeZone', 'jobs'],
    additionalProperties: false,
    properties: {
      enabled: { type: 'boolean', description: 'BACKUP_ENABLED' },
      timeZone: { type: 'string', description: 'BACKUP_TIMEZONE' },
      jobs: { type: 'array', items: { $ref: '#/components/schemas/Job' } },
    },
  },
  Backup: backupSchema,
  Backups: {
    type: 'object',
    required: ['backups', 'unreadable'],
    properties: {
      backups: { type: 'array', items: { $ref: '#/components/schemas/Backup' } },
      unreadable: { type: 'array', items: { type: 'string' } },
    },
  },
  RestoreTest: {
    type: 'object',
    required: [
      'number',
      'backup',
      'environment',
      'verdict',
      'without',
      'startedAt',
      'finishedAt',
      'durationMs',
      'archiveSha256',
      'hash',
    ],
    additionalProperties: false,
    properties: {
      number: { type: 'integer', minimum: 1 },
      backup: { type: 'string' },
      environment: { type: 'string' },
      verdict: { enum: ['passed', 'failed'] },
      without: {
        type: 'array',
        items: { type: 'string' },
        description: 'The parts of the database that were not in the backup.',
      },
      startedAt: time,
      finishedAt: time,
      durationMs: { type: 'integer', minimum: 0 },
      archiveSha256: { type: 'string' },
      hash: { type: 'string' },
    },
  },
  RestoreTests: {
    type: 'object',
    required: ['total', 'tests', 'chainFault'],
    additionalProperties: false,
    properties: {
      total: { type: 'integer', minimum: 0 },
      tests: { type: 'array', items: { $ref: '#/components/schemas/RestoreTest' } },
      chainFault: {
        ...textOrNull,
        description: 'The first entry that does not fit the chain; null where all do.',
      },
    },
  },
  RestoreTestParameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      backup: {
        type: 'string',
        pattern: String.raw`^[\w.-]{1,255}$`,
        description: 'The name of a backup, or of one of its files. Defaults to the newest.',
      },
    },
  },
  NoParameters: { type: 'object', additionalProperties: false },
};

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
    Problem: problemSchema,
    ...jobSchemas,
  };
}
