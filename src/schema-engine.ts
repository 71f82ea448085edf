/**
 * The executable that Prisma's CLI takes for its native schema engine (`scripts/schema-engine` starts it).
 * Requests come on stdin and are answered on stdout, the log goes to stderr; all three are JSON lines.
 */
import { SystemClock } from './core/clock.js';
import { runCommand } from './migrations/engine/executable/database-commands.js';
import { readEngineArguments } from './migrations/engine/executable/engine-arguments.js';
import { logErrorLine, logLine } from './migrations/engine/executable/engine-log.js';
import { EngineServer } from './migrations/engine/executable/engine-server.js';
import { OpenEngines } from './migrations/engine/executable/open-engines.js';
import { engineVersion } from './migrations/engine/wasm-module.js';

/** How long a cancelled statement may take to give up once the process is told to stop; as in Prisma's engine. */
const SHUTDOWN_MS = 4000;

const clock = new SystemClock();

// Node prints warnings as plain text on stderr, where the CLI expects JSON.
process.removeAllListeners('warning');

try {
  const engineArguments = readEngineArguments(process.argv.slice(2), process.env);
  const engines = new OpenEngines(engineArguments);
  if (engineArguments.version) {
    process.stdout.write(`schema-engine-wasm ${await engineVersion()}\n`);
  } else {
    process.stderr.write(logLine(clock.now(), 'Starting schema engine (WebAssembly)'));
    if (engineArguments.command === undefined) await serve(engines);
    else process.stderr.write(logLine(clock.now(), await runCommand(engineArguments.command, engines)));
  }
} catch (thrown) {
  process.stderr.write(logErrorLine(clock.now(), thrown));
  process.exitCode = 1;
}

async function serve(engines: OpenEngines): Promise<void> {
  const server = new EngineServer(engines, process.stdin, process.stdout);
  const stop = (): void => {
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    void server.stop();
  };
  // SIGHUP too: the CLI does not wait for its engine, whose terminal may be gone before it has cleaned up.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);
  process.on('uncaughtException', (thrown) => {
    process.stderr.write(logErrorLine(clock.now(), thrown));
    server.fail(thrown);
  });
  await server.serve();
  // The CLI, when it was killed, may have left stdin open; nothing more is read from it.
  process.stdin.destroy();
}
