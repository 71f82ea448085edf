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
