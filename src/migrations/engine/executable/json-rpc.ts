import { messageOf, PgkeepError } from '../../../core/errors.js';
import { SchemaEngineError } from '../schema-engine-error.js';

/** One request of Prisma's CLI. */
export interface RpcRequest {
  readonly id: string | number;
  readonly method: string;
  readonly params: unknown;
}

/** JSON-RPC's code for a method that is not there. */
export const METHOD_NOT_FOUND = -32_601;
/** The code Prisma's engine gives every failure of its own. */
const ENGINE_FAILED = 4466;

/** The request in one line of input; undefined when it is none (the CLI also answers our `print` calls). */
export function parseRequest(line: string): RpcRequest | undefined {
  const message = parseJson(line);
  if (!isJsonObject(message)) return undefined;
  const { id, params } = message;
  const method = textAt(message, 'method');
  if (method === undefined || (typeof id !== 'number' && typeof id !== 'string')) return undefined;
  return { id, method, params };
}

/** The answer to a request that was done. A method without a result answers null. */
export function resultMessage(id: RpcRequest['id'], result: unknown): object {
  return { jsonrpc: '2.0', id, result: result ?? null };
}

/** The answer to a request that failed, in the shape from which the CLI prints code and message. */
export function errorMessage(id: RpcRequest['id'], thrown: unknown, code = ENGINE_FAILED): object {
  const known = thrown instanceof SchemaEngineError ? thrown : undefined;
  const data = {
    // Never a panic, even for one: the CLI would offer to send the schema to Prisma as a bug report of an
    // engine that is not Prisma's own.
    is_panic: false,
    message: known?.message ?? explained(thrown),
    meta: null,
    ...(known?.prismaCode !== undefined && { error_code: known.prismaCode }),
  };
  return {
    jsonrpc: '2.0',
    id,
    error: { code, message: 'An error happened. Check the data field for details.', data },
  };
}

/** With the next step, where pgkeep knows one. */
function explained(thrown: unknown): string {
  const hint = thrown instanceof PgkeepError ? thrown.hint : undefined;
  return [messageOf(thrown), hint].filter((text) => text !== undefined).join('\n\n');
}

/** Asks the CLI to print a text. It adds the line's end itself. */
export function printMessage(id: string, text: string): object {
  return { jsonrpc: '2.0', id, method: 'print', params: { content: text.replace(/\n$/, '') } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON object whose fields are not known yet. */
type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object at a field, or an empty one: reading on from an absent field finds nothing. */
export function objectAt(value: unknown, field: string): JsonObject {
  const found = isJsonObject(value) ? value[field] : undefined;
  return isJsonObject(found) ? found : {};
}

/** The text at a field; undefined where there is none, or an empty one. */
export function textAt(value: unknown, field: string): string | undefined {
  const found = isJsonObject(value) ? value[field] : undefined;
  return typeof found === 'string' && found !== '' ? found : undefined;
}
