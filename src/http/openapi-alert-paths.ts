import { json, optionalBody, problem, refusals, requires } from './openapi-parts.js';

const notInstalled = problem('pgkeep’s schema is not installed.');

/** The routes about alerts. */
export const alertPaths = {
  '/admin/alerts': {
    get: {
      operationId: 'alerts',
      summary: 'What needs a person, and the messages about it.',
      security: requires('viewer'),
      responses: { 200: json('The alerts.', 'Alerts'), ...refusals, 500: notInstalled },
    },
  },
  '/admin/alerts/test': {
    post: {
      operationId: 'testAlert',
      summary: 'Sends a test to every receiver of alerts.',
      security: requires('operator'),
      requestBody: optionalBody('NoParameters'),
      responses: {
        200: json('How each receiver answered.', 'TestedAlert'),
        ...refusals,
        400: problem('No receiver is configured, or the body is not valid for this route.'),
      },
    },
  },
  '/admin/alerts/silences': {
    get: {
      operationId: 'silences',
      summary: 'The silences in force.',
      security: requires('viewer'),
      responses: { 200: json('The silences.', 'Silences'), ...refusals, 500: notInstalled },
    },
    post: {
      operationId: 'silence',
      summary: 'Sends no alerts of a code, or of a code and a subject, for a while.',
      security: requires('operator'),
      requestBody: { ...optionalBody('SilenceRequest'), required: true },
      responses: {
        201: json('The silence.', 'SilenceReport'),
        ...refusals,
        400: problem('The body is not valid.'),
        500: notInstalled,
      },
    },
    delete: {
      operationId: 'unsilence',
      summary: 'Ends a silence before its time.',
      security: requires('operator'),
      parameters: [{ name: 'id', in: 'query', required: true, schema: { type: 'integer', minimum: 1 } }],
      responses: {
        200: json('The silence that has ended.', 'SilenceReport'),
        ...refusals,
        400: problem('The parameter id is not a number.'),
        404: problem('There is no such silence in force.'),
        500: notInstalled,
      },
    },
  },
};
