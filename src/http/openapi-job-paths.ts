import { accepted, body, json, problem, refusals } from './openapi-answers.js';

const security = [{ adminToken: [] }];

/** The admin's routes about jobs and backups. */
export const jobPaths = {
  '/admin/jobs': {
    get: {
      operationId: 'jobs',
      summary: 'What runs by itself, when it is due, and what became of it.',
      security,
      responses: {
        200: json('Every job with its newest runs.', 'Jobs'),
        ...refusals,
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/jobs/{id}': {
    get: {
      operationId: 'jobRun',
      summary: 'One run.',
      security,
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }],
      responses: {
        200: json('The run.', 'JobRun'),
        ...refusals,
        404: problem('There is no such run.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/backups': {
    get: {
      operationId: 'backups',
      summary: 'The committed backups, the newest first.',
      security,
      responses: {
        200: json('The backups.', 'Backups'),
        ...refusals,
        500: problem('The storage does not answer.'),
      },
    },
    post: {
      operationId: 'backUp',
      summary: 'Begins a backup, which goes on after the answer.',
      security,
      requestBody: body('NoParameters'),
      responses: {
        202: accepted('The backup has begun.'),
        ...refusals,
        400: problem('The body is not one that this route takes.'),
        409: problem('A backup is under way already, or backups are off.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
  '/admin/restore-tests': {
    get: {
      operationId: 'restoreTests',
      summary: 'The newest restore tests, and whether the chain of their evidence is whole.',
      security,
      responses: {
        200: json('The restore tests.', 'RestoreTests'),
        ...refusals,
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
    post: {
      operationId: 'testRestore',
      summary: 'Begins a restore test, which goes on after the answer.',
      security,
      requestBody: body('RestoreTestParameters'),
      responses: {
        202: accepted('The restore test has begun.'),
        ...refusals,
        400: problem('The body is not one that this route takes.'),
        404: problem('There is no such backup.'),
        409: problem('A restore test is under way already, or backups are off.'),
        500: problem('pgkeep’s schema is not installed.'),
      },
    },
  },
};
