import type { Role } from '../access/access.types.js';

/** A JSON response of one schema. */
export function json(description: string, schema: string): object {
  return { description, content: { 'application/json': { schema: reference(schema) } } };
}

/** The 202 of a run that has begun. */
export function accepted(description: string): object {
  return {
    ...json(description, 'JobRun'),
    headers: {
      location: {
        description: 'The address of the run.',
        schema: { type: 'string', examples: ['/admin/jobs/0f8fad5b-d9cb-469f-a165-70867728950e'] },
      },
    },
  };
}

/** An error response. */
export function problem(description: string): object {
  return { description, content: { 'application/problem+json': { schema: reference('Problem') } } };
}

/** A request's JSON body, which is optional. */
export function optionalBody(schema: string): object {
  return { required: false, content: { 'application/json': { schema: reference(schema) } } };
}

/** The errors of every admin route. */
export const refusals = {
  401: problem('The token is missing or wrong.'),
  403: problem('A lesser role, a request that another site’s page sent, or no admin token is configured.'),
  429: problem('Too many failed attempts from this address; see Retry-After.'),
  503: problem('The database does not answer.'),
};

function reference(schema: string): object {
  return { $ref: `#/components/schemas/${schema}` };
}

/** What a route demands: OpenAPI 3.1 allows to name roles here. */
export function requires(role: Role): readonly { readonly bearer: readonly Role[] }[] {
  return [{ bearer: [role] }];
}
