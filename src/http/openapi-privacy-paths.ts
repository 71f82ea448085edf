import { json, optionalBody, problem, refusals, requires } from './openapi-parts.js';

const recordParameters = [
  {
    name: 'model',
    in: 'path',
    required: true,
    description: 'A model of the Prisma schema.',
    schema: { type: 'string' },
  },
  {
    name: 'id',
    in: 'path',
    required: true,
    description: 'The value of its key; several with commas between.',
    schema: { type: 'string' },
  },
];

/** The errors of every route about a record. */
const recordRefusals = {
  ...refusals,
  400: problem('The body, the model or the id is not valid.'),
  404: problem('There is no such record.'),
  500: problem('pgkeep’s schema, its policy or the Prisma schema is missing.'),
};

/** Returns the routes about one record. */
export function privacyPaths(): Readonly<Record<string, object>> {
  const path = (name: string) => `/admin/privacy/{model}/{id}/${name}`;
  const requestBody = { ...optionalBody('PrivacyRequest'), required: true };
  const parameters = recordParameters;
  const action = (operationId: string, summary: string) => ({
    post: {
      operationId,
      summary,
      security: requires('admin'),
      parameters,
      requestBody,
      responses: {
        200: json('What was done.', 'Receipt'),
        ...recordRefusals,
        409: problem('Refused: a legal hold, a law or a rule keeps the record, or there is nothing to do.'),
      },
    },
  });
  return {
    [path('soft-delete')]: action('softDeleteRecord', 'Marks a record as deleted, and what belongs to it.'),
    [path('restore')]: action(
      'restoreRecord',
      'Removes the mark of a record, and of what was marked with it.',
    ),
    [path('anonymize')]: action('anonymizeRecord', 'Replaces the personal values of a record for good.'),
    [path('export')]: {
      get: {
        operationId: 'exportRecord',
        summary: 'Everything that is stored about a record.',
        security: requires('admin'),
        parameters: [
          ...parameters,
          { name: 'by', in: 'query', description: 'Who asks.', schema: { type: 'string' } },
          { name: 'reason', in: 'query', description: 'Why.', schema: { type: 'string' } },
        ],
        responses: { 200: json('The export, streamed.', 'SubjectExport'), ...recordRefusals },
      },
    },
    [path('hold')]: {
      put: {
        operationId: 'holdRecord',
        summary: 'Keeps a record and what belongs to it from erasure.',
        security: requires('admin'),
        parameters,
        requestBody: { ...optionalBody('HoldRequest'), required: true },
        responses: {
          200: json('The hold.', 'Hold'),
          ...recordRefusals,
          409: problem('Refused: the last day is past.'),
        },
      },
      delete: {
        operationId: 'releaseRecord',
        summary: 'Ends the legal hold of a record.',
        security: requires('admin'),
        parameters,
        requestBody,
        responses: { 200: json('Whether it was held.', 'Hold'), ...recordRefusals },
      },
    },
  };
}
