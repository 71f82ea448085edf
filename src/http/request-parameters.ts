import { Validator } from '../config/validation.js';
import { PgkeepError } from '../core/errors.js';

/** For a request that takes no parameters: no body, or an empty object. @throws PgkeepError `USAGE_INVALID`. */
export function requireNoParameters(body: unknown): void {
  const [name] = Object.keys(objectOf(body));
  if (name !== undefined) throw unusable(`${name} is not known`);
}

/**
 * A request's JSON body, checked: what the class has no property for is refused, and not passed over in silence.
 * The message of each rule completes the sentence "NAME must be …".
 * @throws PgkeepError `USAGE_INVALID` listing every fault.
 */
export function parametersOf<T extends object>(Parameters: new () => T, body: unknown): T {
  const parameters = Object.assign(new Parameters(), objectOf(body));
  const options = { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: false };
  const faults = new Validator()
    .validateSync(parameters, options)
    .map(({ property, constraints = {} }) =>
      'whitelistValidation' in constraints
        ? `${property} is not known`
        : `${property} must be ${Object.values(constraints).join(', ')}`,
    );
  if (faults.length > 0) throw unusable(faults.join('; '));
  return parameters;
}

/** Without a body Fastify says null, and Express says an empty object or nothing. */
function objectOf(body: unknown): object {
  if (body === undefined || body === null) return {};
  if (typeof body === 'object' && !Array.isArray(body)) return body;
  throw unusable('it must be a JSON object');
}

function unusable(fault: string): PgkeepError {
  return new PgkeepError('USAGE_INVALID', `The request’s body cannot be used: ${fault}.`, {
    hint: '/openapi.json says what each route takes.',
  });
}
