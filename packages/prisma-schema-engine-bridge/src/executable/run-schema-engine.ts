import type { Readable, Writable } from 'node:stream';
import { nodePostgresDatabase } from '../node-postgres.js';
import { engineVersion } from '../wasm-module.js';
import { runCommand } from './database-commands.js';
import { EngineServer } from './engine-server.js';
import { logErrorLine, logLine } from './json-rpc.js';
import { type FindDatabase, OpenEngines, readEngineArguments } from './open-engines.js';

/** How long a cancelled statement may take to end once the process is asked to stop; as in Prisma's engine. */
const SHUTDOWN_MS = 4000;

/** The process that the engine runs in: Node's `process` fits. */
export interface EngineProcess {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  exitCode?: string | number | null | undefined;
  exit(code: number): never;
  on(event: 'uncaughtException', listener: (thrown: unknown) => void): unknown;
  on(event: 'SIGTERM' | 'SIGINT' | 'SIGHUP', listener: () => void): unknown;
  removeAllListeners(event: 'warning'): unknown;
}

/**
 * Runs the executable that Prisma's CLI takes for its native schema engine. Requests arrive on stdin and are answered
 * on stdout, the log goes to stderr; all three are JSON lines.
 * @param findDatabase how to reach the database of a URL. Defaults to node-postgres.
 */
export async function runSchemaEngine(
  process: EngineProcess,
  findDatabase: FindDatabase = nodePostgresDatabase,
): Promise<void> {
  const { stdout, stderr } = process;
  // Node prints warnings as plain text on stderr, where the CLI expects JSON.
  process.removeAllListeners('warning');
  try {
    const engineArguments = readEngineArguments(process.argv.slice(2), process.env);
    const engines = new OpenEngines(engineArguments, findDatabase);
    if (engineArguments.version) {
      stdout.write(`schema-engine-wasm ${await engineVersion()}\n`);
    } else {
      stderr.write(logLine(new Date(), 'Starting schema engine (WebAssembly)'));
      if (engineArguments.command === undefined) await serve(process, engines);
      else stderr.write(logLine(new Date(), await runCommand(engineArguments.command, engines)));
    }
  } catch (thrown) {
    stderr.write(logErrorLine(new Date(), thrown));
    process.exitCode = 1;
  }
}

async function serve(process: EngineProcess, engines: OpenEngines): Promise<void> {
  const server = new EngineServer(engines, process.stdin, process.stdout);
  const stop = (): void => {
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    void server.stop();
  };
  // SIGHUP too: the CLI does not wait for its engine, whose terminal may be closed before it has cleaned up.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);
  process.on('uncaughtException', (thrown) => {
    process.stderr.write(logErrorLine(new Date(), thrown));
    server.fail(thrown);
  });
  await server.serve();
  // A CLI that was killed may have left stdin open; nothing more is read from it.
  process.stdin.destroy();
}
