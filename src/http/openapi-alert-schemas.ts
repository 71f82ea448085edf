const text = { type: 'string' };
const textOrNull = { type: ['string', 'null'] };
const time = { type: 'string', format: 'date-time' };
const timeOrNull = { type: ['string', 'null'], format: 'date-time' };
const count = { type: 'integer', minimum: 0 };

/** An object with exactly these properties. */
function closed(properties: Readonly<Record<string, object>>, optional: readonly string[] = []): object {
  return {
    type: 'object',
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
    properties,
  };
}

const silence = closed({
  id: { type: 'integer', minimum: 1 },
  code: text,
  subject: { ...textOrNull, description: 'Null: every subject.' },
  until: time,
  because: text,
  by: { ...text, description: 'Who silenced.' },
  at: time,
});

/** Schemas of the routes about alerts. */
export const alertSchemas = {
  Alert: closed({
    id: { ...text, description: 'The same for as long as the cause is the same.' },
    code: text,
    subject: { ...text, description: 'What it concerns; empty if it is the database.' },
    severity: { enum: ['critical', 'warning'] },
    state: { enum: ['pending', 'firing', 'resolved'] },
    text,
    remedy: text,
    sql: { ...textOrNull, description: 'Statements for a person to run.' },
    since: time,
    firedAt: timeOrNull,
    resolvedAt: timeOrNull,
    silencedUntil: timeOrNull,
    contact: { ...textOrNull, description: 'Whom to call, from EMERGENCY_CONTACTS.' },
  }),
  Alerts: closed({
    alerts: { type: 'array', items: { $ref: '#/components/schemas/Alert' } },
    deliveries: {
      type: 'array',
      description: 'The messages of a month, by receiver.',
      items: closed({
        receiver: text,
        due: count,
        sent: count,
        failed: { ...count, description: 'Given up after a day.' },
        lastSentAt: timeOrNull,
        lastError: textOrNull,
      }),
    },
  }),
  TestedAlert: closed(
    {
      receivers: {
        type: 'array',
        items: closed({
          receiver: text,
          delivered: { type: 'boolean' },
          durationMs: count,
          error: textOrNull,
          hint: textOrNull,
        }),
      },
      recorded: { type: 'boolean', description: 'Whether it is in the audit log.' },
      notRecorded: text,
    },
    ['notRecorded'],
  ),
  Silences: closed({ silences: { type: 'array', items: silence } }),
  SilenceReport: closed({
    silence,
    entry: { type: 'integer', minimum: 1, description: 'The number of its entry in the audit log.' },
  }),
  SilenceRequest: closed(
    {
      code: { ...text, pattern: '^[A-Z][A-Z0-9_]{1,63}$' },
      subject: { ...text, maxLength: 500, description: 'Defaults to every subject.' },
      seconds: { type: 'integer', minimum: 1, maximum: 2_678_400 },
      because: { ...text, maxLength: 2000 },
    },
    ['subject'],
  ),
};
