import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { engineMethod } from './engine-methods.js';
import {
  errorMessage,
  METHOD_NOT_FOUND,
  parseRequest,
  printMessage,
  resultMessage,
  type RpcRequest,
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
    // The CLI may be gone when the answer is ready. What was asked for is done all the same.
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
   * Takes no more requests, and cancels what is running: a migration that is cancelled is rolled back and
   * recorded as failed, which is better than a script that commits after its recorder is gone.
   */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.lines.close();
    if (this.answering !== undefined) await this.engines.cancel();
  }

  /**
   * Answers the request that is being worked on with an error that nobody caught. Without an answer the CLI would
   * end silently, with exit code 0, as if all had gone well.
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
