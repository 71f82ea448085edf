import { SEVERITIES } from '../monitoring/monitoring.types.js';

const time = { type: 'string', format: 'date-time' };
const timeOrNull = { type: ['string', 'null'], format: 'date-time' };

/** A fact with its age; `schema` is that of its value. */
function factOf(schema: object, description: string): object {
  return {
    type: 'object',
    description,
    required: ['value', 'readAt', 'fault'],
    additionalProperties: false,
    properties: {
      value: { anyOf: [schema, { type: 'null' }] },
      readAt: { ...timeOrNull, description: 'When the value was read.' },
      fault: { type: ['string', 'null'], description: 'Why the newest attempt to read it failed.' },
    },
  };
}

const attentionSchema = {
  type: 'object',
  required: ['code', 'severity', 'subject', 'text', 'remedy', 'sql', 'since', 'silencedUntil'],
  additionalProperties: false,
  properties: {
    code: { type: 'string' },
    severity: { enum: SEVERITIES },
    subject: { type: 'string', description: 'What it concerns; empty if it is the database.' },
    text: { type: 'string' },
    remedy: { type: 'string' },
    sql: { type: ['string', 'null'], description: 'Statements that fix it, for a person to run.' },
    since: timeOrNull,
    silencedUntil: timeOrNull,
  },
};

const upcomingSchema = {
  type: 'object',
  required: ['what', 'subject', 'text', 'breaksAt'],
  additionalProperties: false,
  properties: {
    what: { type: 'string' },
    subject: { type: 'string', description: 'What it concerns; empty if it is the database.' },
    text: { type: 'string' },
    breaksAt: timeOrNull,
  },
};

const monitoringSchema = {
  type: 'object',
  required: ['report', 'down', 'isStale'],
  additionalProperties: false,
  properties: {
    report: { type: ['object', 'null'], description: 'As `pgkeep monitor --json`.' },
    down: {
      type: ['object', 'null'],
      description: 'Since when the database takes no connections, and why.',
      required: ['since', 'text'],
      properties: { since: time, text: { type: 'string' } },
    },
    isStale: { type: 'boolean', description: 'Whether the newest sample is older than three intervals.' },
  },
};

const reference = (schema: string): object => ({ $ref: `#/components/schemas/${schema}` });
const object = { type: 'object' };

const overviewProperties = {
  version: { type: 'string' },
  database: { type: 'string' },
  environment: { type: 'string' },
  serverVersion: { type: ['string', 'null'] },
  takenAt: time,
  isDemo: { type: 'boolean' },
  verdict: reference('Verdict'),
  attention: { type: 'array', items: reference('Attention'), description: 'The worst first.' },
  codes: { type: 'integer', description: 'How many codes were looked for.' },
  upcoming: { type: 'array', items: reference('Upcoming'), description: 'The next first.' },
  monitoring: monitoringSchema,
  backups: factOf(reference('Backups'), 'As /admin/backups.'),
  restoreTests: factOf(reference('RestoreTests'), 'As /admin/restore-tests.'),
  jobs: factOf(reference('Jobs'), 'As /admin/jobs.'),
  migrations: factOf(object, 'As `pgkeep migrate status --json`.'),
  drift: factOf(object, 'As `pgkeep migrate drift --json`, without the comparison with the schema files.'),
  stats: factOf(reference('Stats'), 'As /admin/database/stats; read only while the page of tables is open.'),
  auditLog: factOf(object, 'The newest entries, as `pgkeep changelog --json`, and the chain.'),
  contacts: {
    type: 'array',
    items: {
      type: 'object',
      required: ['situation', 'action', 'contact'],
      properties: {
        situation: { type: 'string' },
        action: { type: 'string' },
        contact: { type: 'string' },
      },
    },
  },
};

/** The schemas of `/admin/overview`. */
export const overviewSchemas = {
  Attention: attentionSchema,
  Upcoming: upcomingSchema,
  Overview: {
    type: 'object',
    required: Object.keys(overviewProperties),
    additionalProperties: false,
    properties: overviewProperties,
  },
};
