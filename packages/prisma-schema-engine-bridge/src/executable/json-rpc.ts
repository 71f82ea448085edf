import { hintOf, messageOf, SchemaEngineError } from '../errors.js';

/** One request of Prisma's CLI. */
export interface RpcRequest {
  readonly id: string | number;
  readonly method: string;
  readonly params: unknown;
}

/** JSON-RPC's code for a method that does not exist. */
export const METHOD_NOT_FOUND = -32_601;
/** The code that Prisma's engine gives to each of its failures. */
const ENGINE_FAILED = 4466;
/** The target under which the CLI looks for the engine's last error. */
const LOGGER = 'schema_engine::logger';

/** Reads the request in one line of input; undefined when it is none (the CLI also answers our `print` calls). */
export function parseRequest(text: string): RpcRequest | undefined {
  const message = parseJson(text);
  if (!isJsonObject(message)) return undefined;
  const { id, params } = message;
  const method = textAt(message, 'method');
  if (method === undefined || (typeof id !== 'number' && typeof id !== 'string')) return undefined;
  return { id, method, params };
}

/** Returns the answer to a request that succeeded. A method without a result answers null. */
export function resultMessage(id: RpcRequest['id'], result: unknown): object {
  return { jsonrpc: '2.0', id, result: result ?? null };
}

/** Returns the answer to a request that failed, in the shape from which the CLI prints code and message. */
export function errorMessage(id: RpcRequest['id'], thrown: unknown, code = ENGINE_FAILED): object {
  const data = { ...describe(thrown), meta: null };
  return {
    jsonrpc: '2.0',
    id,
    error: { code, message: 'An error happened. Check the data field for details.', data },
  };
}

/** Returns the call that asks the CLI to print a text. The CLI adds the line end itself. */
export function printMessage(id: string, text: string): object {
  return { jsonrpc: '2.0', id, method: 'print', params: { content: text.replace(/\n$/, '') } };
}

/** Returns one line of the engine's log. The CLI reads stderr as JSON lines, and fails on any other. */
export function logLine(now: Date, message: string): string {
  return formatLogLine(now, 'INFO', { message });
}

/** Returns the log line from which the CLI prints why a command failed. */
export function logErrorLine(now: Date, thrown: unknown): string {
  return formatLogLine(now, 'ERROR', describe(thrown));
}

function formatLogLine(now: Date, level: 'INFO' | 'ERROR', fields: object): string {
  return `${JSON.stringify({ timestamp: now.toISOString(), level, fields, target: LOGGER })}\n`;
}

function describe(thrown: unknown): object {
  const known = thrown instanceof SchemaEngineError ? thrown : undefined;
  return {
    message: known?.message ?? [messageOf(thrown), hintOf(thrown)].filter(Boolean).join('\n\n'),
    // Never a panic, even for one: the CLI would offer to send the schema to Prisma as a bug report.
    is_panic: false,
    ...(known?.prismaCode !== undefined && { error_code: known.prismaCode }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON object whose fields are not known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the object at a field, or an empty one: reading a field of an absent object finds nothing. */
export function objectAt(value: unknown, field: string): JsonObject {
  const found = isJsonObject(value) ? value[field] : undefined;
  return isJsonObject(found) ? found : {};
}

/** Returns the text at a field; undefined where there is none, or an empty one. */
export function textAt(value: unknown, field: string): string | undefined {
  const found = isJsonObject(value) ? value[field] : undefined;
  return typeof found === 'string' && found !== '' ? found : undefined;
}
