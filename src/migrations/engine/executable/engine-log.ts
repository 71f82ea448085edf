import { messageOf } from '../../../core/errors.js';
import { SchemaEngineError } from '../schema-engine-error.js';

/** The target under which the CLI looks for the engine's last error. */
const LOGGER = 'schema_engine::logger';

/** One line of the engine's log. The CLI reads stderr as JSON lines, and fails on any other. */
export function logLine(now: Date, message: string): string {
  return line(now, 'INFO', { message });
}

/** The line from which the CLI prints why a command failed. */
export function logErrorLine(now: Date, thrown: unknown): string {
  const known = thrown instanceof SchemaEngineError ? thrown : undefined;
  return line(now, 'ERROR', {
    message: known?.message ?? messageOf(thrown),
    is_panic: false,
    ...(known?.prismaCode !== undefined && { error_code: known.prismaCode }),
  });
}

function line(now: Date, level: 'INFO' | 'ERROR', fields: object): string {
  return `${JSON.stringify({ timestamp: now.toISOString(), level, fields, target: LOGGER })}\n`;
}
