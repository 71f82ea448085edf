/** A JSON answer of one schema. */
export function json(description: string, schema: string): object {
  return { description, content: { 'application/json': { schema: reference(schema) } } };
}

/** The 202 of a run that has begun. */
export function accepted(description: string): object {
  return {
    ...json(description, 'JobRun'),
    headers: {
      location: {
        description: 'Where the run can be watched.',
        schema: { type: 'string', examples: ['/admin/jobs/0f8fad5b-d9cb-469f-a165-70867728950e'] },
      },
    },
  };
}

/** An error answer. */
export function problem(description: string): object {
  return { description, content: { 'application/problem+json': { schema: reference('Problem') } } };
}

/** A request's JSON body, which may be left out. */
export function body(schema: string): object {
  return { required: false, content: { 'application/json': { schema: reference(schema) } } };
}

/** What every admin route may answer instead. */
export const refusals = {
  401: problem('The token is missing or wrong.'),
  403: problem('No admin token is configured.'),
  429: problem('Too many failed attempts from this address; see Retry-After.'),
  503: problem('The database does not answer.'),
};

function reference(schema: string): object {
  return { $ref: `#/components/schemas/${schema}` };
}
