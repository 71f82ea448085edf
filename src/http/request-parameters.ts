import { KeepError } from '../errors.js';

/** For a request that takes no parameters: no body, or an empty object. @throws KeepError `USAGE_INVALID`. */
export function requireNoParameters(body: unknown): void {
  const [name] = Object.keys(objectOf(body));
  if (name !== undefined) throw unusable(`${name} is not known`);
}

/** Without a body Fastify says null, and Express says an empty object or nothing. */
function objectOf(body: unknown): object {
  if (body === undefined || body === null) return {};
  if (typeof body === 'object' && !Array.isArray(body)) return body;
  throw unusable('it must be a JSON object');
}

function unusable(fault: string): KeepError {
  return new KeepError('USAGE_INVALID', `The request’s body cannot be used: ${fault}.`, {
    hint: '/openapi.json says what each route takes.',
  });
}
