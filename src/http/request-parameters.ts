import { Validator } from '../config/validation.js';
import { PgkeepError } from '../core/errors.js';

/** Requires that a request has no parameters: no body, or an empty object. @throws PgkeepError `USAGE_INVALID`. */
export function requireNoParameters(body: unknown): void {
  const [name] = Object.keys(objectOf(body));
  if (name !== undefined) throw invalid(`there is no parameter ${name}`);
}

/**
 * Validates a request's JSON body. A property that the class does not have is refused. The message of each rule completes
 * the sentence "NAME must be …".
 * @throws PgkeepError `USAGE_INVALID` listing every fault.
 */
export function parametersOf<T extends object>(Parameters: new () => T, body: unknown): T {
  const parameters = Object.assign(new Parameters(), objectOf(body));
  const options = { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false };
  const faults = new Validator()
    .validateSync(parameters, options)
    .map(({ property, constraints = {} }) =>
      'whitelistValidation' in constraints
        ? `there is no parameter ${property}`
        : `${property} must be ${Object.values(constraints).join(', ')}`,
    );
  if (faults.length > 0) throw invalid(faults.join('; '));
  return parameters;
}

/** Returns the body as an object. Without a body Fastify has null, and Express an empty object or undefined. */
function objectOf(body: unknown): object {
  if (body === undefined || body === null) return {};
  if (typeof body === 'object' && !Array.isArray(body)) return body;
  throw invalid('it must be a JSON object');
}

function invalid(fault: string): PgkeepError {
  return new PgkeepError('USAGE_INVALID', `The request body is not valid: ${fault}.`, {
    hint: 'See /openapi.json for the parameters of each route.',
  });
}
