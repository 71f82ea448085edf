const text = { type: 'string' };
const counts = { type: 'object', additionalProperties: { type: 'integer', minimum: 0 } };

const retained = {
  type: 'array',
  items: {
    type: 'object',
    required: ['model', 'rows', 'because'],
    additionalProperties: false,
    properties: { model: text, rows: { type: 'integer', minimum: 1 }, because: text },
  },
};

const request = {
  by: { type: 'string', maxLength: 200, description: 'Who asks for it.' },
  reason: { type: 'string', maxLength: 2000, description: 'Why; without the name of a person.' },
};

/** Schemas of the routes about a person's record. */
export const privacySchemas = {
  PrivacyRequest: {
    type: 'object',
    required: ['by', 'reason'],
    additionalProperties: false,
    properties: request,
  },
  HoldRequest: {
    type: 'object',
    required: ['by', 'reason'],
    additionalProperties: false,
    properties: {
      ...request,
      until: {
        type: 'string',
        format: 'date',
        description: 'The last day. Without it, until it is released.',
      },
    },
  },
  Receipt: {
    type: 'object',
    required: [
      'action',
      'what',
      'model',
      'id',
      'at',
      'by',
      'rows',
      'retained',
      'referring',
      'keptUntil',
      'ledgerDigest',
      'copies',
    ],
    additionalProperties: false,
    properties: {
      action: { type: 'string', format: 'uuid' },
      what: { enum: ['soft-delete', 'restore-record', 'hard-delete', 'anonymize'] },
      model: text,
      id: text,
      at: { type: 'string', format: 'date-time' },
      by: text,
      rows: { ...counts, description: 'The number of affected rows of each model.' },
      retained: { ...retained, description: 'What stays by law.' },
      referring: {
        type: 'array',
        description: 'What still refers to a record that was marked as deleted.',
        items: {
          type: 'object',
          required: ['model', 'rows', 'to'],
          additionalProperties: false,
          properties: { model: text, rows: { type: 'integer', minimum: 1 }, to: text },
        },
      },
      keptUntil: {
        type: ['string', 'null'],
        format: 'date-time',
        description: 'When the grace period of a mark ends; null if it is not marked, or never erased.',
      },
      ledgerDigest: {
        type: 'string',
        pattern: '^[0-9a-f]{64}$',
        description: 'The SHA-256 of the lines in the ledger.',
      },
      copies: {
        description: 'Until when backups contain what was erased; null for an action that erases nothing.',
        oneOf: [
          { type: 'null' },
          {
            type: 'object',
            required: ['value'],
            additionalProperties: false,
            properties: {
              value: {
                type: 'object',
                required: ['backups', 'until', 'pinned'],
                additionalProperties: false,
                properties: {
                  backups: { type: 'integer', minimum: 0 },
                  until: { type: ['string', 'null'], format: 'date-time' },
                  pinned: { type: 'array', items: text },
                },
              },
            },
          },
          {
            type: 'object',
            required: ['reason'],
            additionalProperties: false,
            properties: { reason: { ...text, description: 'Why it is not known.' } },
          },
        ],
      },
    },
  },
  SubjectExport: {
    type: 'object',
    required: ['format', 'subject', 'exportedAt', 'data', 'madeBySubject', 'retained', 'omitted'],
    additionalProperties: false,
    properties: {
      format: { const: 'pgkeep-subject-export/1' },
      subject: {
        type: 'object',
        required: ['model', 'id'],
        additionalProperties: false,
        properties: { model: text, id: text },
      },
      exportedAt: { type: 'string', format: 'date-time' },
      data: {
        type: 'object',
        description: 'The rows of each model, by the names of the Prisma schema.',
        additionalProperties: { type: 'array', items: { type: 'object' } },
      },
      madeBySubject: { ...counts, description: 'Rows about others that the person made, by Model.field.' },
      retained,
      omitted: { type: 'array', items: text, description: 'Secrets that are left out, as Model.field.' },
    },
  },
  Hold: {
    type: 'object',
    required: ['model', 'id', 'changed', 'held', 'until'],
    additionalProperties: false,
    properties: {
      model: text,
      id: text,
      changed: { type: 'boolean' },
      held: { type: 'boolean' },
      until: { type: ['string', 'null'], format: 'date' },
    },
  },
};
