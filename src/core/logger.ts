import { ConsoleLogger, type LogLevel } from '@nestjs/common';

/** Nest's own contexts tell which modules and routes there are: nothing that an operator could act on. */
const FRAMEWORK_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/**
 * Nest's console logger on stderr: stdout belongs to what a command answers. One JSON document a line unless
 * a person watches.
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
    // Nest logs what a start fails with and throws it, too; whoever catches it explains it.
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
