import { JOB_NAMES } from '../maintenance/job-definitions.js';

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
export const jobSchemas = {
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
