import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { SchemaEngineError } from '../errors.js';
import type { SchemaEngine } from '../schema-engine.js';
import { createDatabase, executeScript } from './database-commands.js';
import {
  errorMessage,
  isJsonObject,
  METHOD_NOT_FOUND,
  objectAt,
  parseRequest,
  printMessage,
  resultMessage,
  type RpcRequest,
  textAt,
} from './json-rpc.js';
import type { OpenEngines } from './open-engines.js';

/** Serves Prisma's CLI: one JSON-RPC request per line of input, answered in order on the output. */
export class EngineServer {
  private readonly lines: Interface;
  private answering: RpcRequest['id'] | undefined;
  private isStopping = false;

  constructor(
    private readonly engines: OpenEngines,
    input: Readable,
    private readonly output: Writable,
  ) {
    this.lines = createInterface({ input, crlfDelay: Infinity });
    // The CLI may have ended when the answer is ready. The request is completed anyway.
    output.on('error', () => undefined);
  }

  /** Answers requests until the input ends or {@link stop} is called, then closes the engines. */
  async serve(): Promise<void> {
    try {
      for await (const line of this.lines) {
        const request = this.isStopping ? undefined : parseRequest(line);
        if (request) await this.answer(request);
      }
    } finally {
      await this.engines.close();
    }
  }

  /**
   * Accepts no more requests, and cancels the running statement: a cancelled migration is rolled back and recorded as
   * failed. Otherwise a script could commit after this process has ended, and not be recorded.
   */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.lines.close();
    if (this.answering !== undefined) await this.engines.cancel();
  }

  /**
   * Answers the current request with an uncaught error. Without an answer the CLI would end silently, with exit code 0,
   * as if the request had succeeded.
   */
  fail(thrown: unknown): void {
    if (this.answering !== undefined) this.send(errorMessage(this.answering, thrown));
    this.answering = undefined;
  }

  private async answer(request: RpcRequest): Promise<void> {
    this.answering = request.id;
    const method = engineMethod(request.method);
    try {
      if (method) {
        const { result, print } = await method(this.engines, request.params);
        if (print !== undefined) this.send(printMessage(`print-${request.id}`, print));
        this.send(resultMessage(request.id, result));
      } else {
        const unknown = new Error(`The schema engine has no method ${request.method}`);
        this.send(errorMessage(request.id, unknown, METHOD_NOT_FOUND));
      }
    } catch (thrown) {
      this.send(errorMessage(request.id, thrown));
    } finally {
      this.answering = undefined;
    }
  }

  private send(message: object): void {
    this.output.write(`${JSON.stringify(message)}\n`);
  }
}

/** The answer of a method, and what the CLI should print before it. */
interface MethodResult {
  readonly result: unknown;
  readonly print?: string;
}

type Method = (engines: OpenEngines, params: unknown) => Promise<MethodResult>;

/** Sources of a schema that need no database, and the one that only needs an empty database. */
const FILES = new Set(['empty', 'schemaDatamodel']);

const HISTORY = 'migrations';

/** The engine's complete message, without a code, when it needs a replayed history and has none. */
const NO_REPLAY = 'PostgreSQL shadow DB must be provided through an external factory';

const METHODS: Readonly<Record<string, Method>> = {
  applyMigrations: delegate('applyMigrations'),
  createDatabase: async (engines, params) => ({
    result: { databaseName: await createDatabase(engines.database(urlOf(params, 'datasource'))) },
  }),
  createMigration: delegateAfterReplay('createMigration'),
  dbExecute: async (engines, params) => ({
    result: await executeScript(
      engines.database(urlOf(params, 'datasourceType')),
      textAt(params, 'script') ?? '',
    ),
  }),
  debugPanic: delegate('debugPanic'),
  devDiagnostic: delegate('devDiagnostic'),
  diagnoseMigrationHistory: delegate('diagnoseMigrationHistory'),
  diff,
  ensureConnectionValidity: delegate('ensureConnectionValidity'),
  evaluateDataLoss: delegateAfterReplay('evaluateDataLoss'),
  getDatabaseVersion: delegate('version'),
  introspect: delegate('introspect'),
  introspectSql: async () => {
    throw new SchemaEngineError(
      'TypedSQL is not supported by the WebAssembly build of Prisma’s schema engine. Use $queryRaw, or set ' +
        'PRISMA_SCHEMA_ENGINE_BINARY to a native schema engine.',
    );
  },
  markMigrationApplied: delegate('markMigrationApplied'),
  markMigrationRolledBack: delegate('markMigrationRolledBack'),
  reset: delegate('reset'),
  schemaPush: delegate('schemaPush'),
};

/** Returns a method of Prisma's engine by its JSON-RPC name; undefined for one that it does not have. */
function engineMethod(name: string): Method | undefined {
  return Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
}

/** Passes the parameters on unchanged: the engine checks them itself. */
function delegate(name: string): Method {
  return async (engines, params) => {
    const engine = await engines.engine(urlOf(params, 'datasource'));
    return { result: await call(engine, name, params) };
  };
}

/**
 * Does the same for a method that compares with the history. The WebAssembly build replays a history only to diagnose
 * it, and remembers the result; it has none after `migrate dev` has applied what was pending.
 */
function delegateAfterReplay(name: string): Method {
  const method = delegate(name);
  return async (engines, params) => {
    try {
      return await method(engines, params);
    } catch (thrown) {
      if (!(thrown instanceof SchemaEngineError) || thrown.message !== NO_REPLAY) throw thrown;
      const { migrationsList, filters } = isJsonObject(params) ? params : {};
      const history = { migrationsList, filters, optInToShadowDatabase: true };
      await call(await engines.engine(), 'diagnoseMigrationHistory', history);
      return await method(engines, params);
    }
  };
}

async function diff(engines: OpenEngines, params: unknown): Promise<MethodResult> {
  const engine = await engineForDiff(engines, params);
  const found = await call(engine, 'diff', params);
  const print = textAt(found, 'stdout');
  const exitCode = isJsonObject(found) ? found['exitCode'] : undefined;
  return { result: { exitCode, stdout: null }, ...(print !== undefined && { print }) };
}

async function engineForDiff(engines: OpenEngines, params: unknown): Promise<SchemaEngine> {
  const sources = ['from', 'to'].map((side) => textAt(objectAt(params, side), 'tag') ?? '');
  if (sources.every((source) => FILES.has(source))) return await engines.offlineEngine();
  if (sources.every((source) => FILES.has(source) || source === HISTORY))
    return await engines.replayingEngine();
  return await engines.engine();
}

async function call(engine: SchemaEngine, name: string, params: unknown): Promise<unknown> {
  return await engine.run((wasm): Promise<unknown> => {
    const method: unknown = Reflect.get(wasm, name);
    return Promise.resolve(typeof method === 'function' ? Reflect.apply(method, wasm, [params]) : undefined);
  });
}

/** Returns the URL that a request itself names, in the parameter `field`. */
function urlOf(params: unknown, field: string): string | undefined {
  return textAt(objectAt(params, field), 'url');
}
