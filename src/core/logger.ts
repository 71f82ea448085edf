import { ConsoleLogger, type LogLevel } from '@nestjs/common';

/** Nest's own contexts list modules and routes: nothing that an operator could act on. */
const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/**
 * Nest's console logger on stderr, because stdout is for the answer of a command. Writes one JSON document a line, unless
 * stderr is a terminal.
 */
export class StderrLogger extends ConsoleLogger {
  constructor(options: { json: boolean; logLevels?: LogLevel[] }) {
    super({
      json: options.json,
      colors: !options.json,
      ...(options.logLevels && { logLevels: options.logLevels }),
    });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (!FRAMEWORK_CONTEXTS.has(String(rest.at(-1)))) super.log(message, ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    // Nest logs the error of a failed start and throws it too; the caller explains it.
    if (rest.at(-1) !== 'ExceptionHandler') super.error(message, ...rest);
  }

  protected override printMessages(
    messages: unknown[],
    context?: string,
    logLevel?: LogLevel,
    _stream?: 'stdout' | 'stderr',
    errorStack?: unknown,
    params?: Record<string, unknown>,
  ): void {
    super.printMessages(messages, context, logLevel, 'stderr', errorStack, params);
  }

  protected override printAsJson(
    message: unknown,
    options: Parameters<ConsoleLogger['printAsJson']>[1],
  ): void {
    super.printAsJson(message, { ...options, writeStreamType: 'stderr' });
  }
}
