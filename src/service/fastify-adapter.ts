import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { problem, problemOf } from '../http/problem.js';

/** No route reads a larger body; a slower request is cut off. */
const LIMITS = { bodyLimit: 65_536, requestTimeout: 10_000 } as const;

/**
 * Fastify's compilers for the schemas of routes. Nest's routes have none, and loading the compilers (Ajv among them, 100
 * files) costs every start 18 ms of CPU time on Node.js 24 and 28 ms on Node.js 20.
 */
const NO_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema } as const;

/** Creates Fastify with limits, and with pgkeep's error format for requests that do not parse as HTTP. */
export function createAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    ...LIMITS,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: answerBadUrl,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
  const server: Server = adapter.getHttpServer();
  const hangUp = hangUpOnClose(server);
  adapter.getInstance().addHook('preClose', (done) => {
    hangUp();
    done();
  });
  return adapter;
}

function refuseSchema(): never {
  throw new Error('A route declares a Fastify schema, and the compilers for schemas are not loaded');
}

/** Answers a path that cannot be decoded: it reaches no route, so no filter of Nest's. */
function answerBadUrl(error: unknown, _request: unknown, { raw }: { raw: ServerResponse }): void {
  const answer = problemOf(error);
  raw
    .writeHead(answer.status, {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
    })
    .end(JSON.stringify(answer));
}

function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const answer = problem(status, 'REQUEST_REFUSED', 'The request is not valid HTTP.');
  const body = JSON.stringify(answer);
  socket.end(
    [
      `HTTP/1.1 ${status} ${answer.title}`,
      'content-type: application/problem+json; charset=utf-8',
      'cache-control: no-store',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

/**
 * Closes connections when the server closes. Node.js's server waits for every connection that is not idle: for a client
 * that never finishes its request, and for the keep-alive time of one that was just answered.
 * @returns what to call on closing: it ends connections without a request, and the others after their answer.
 */
function hangUpOnClose(server: Server): () => void {
  const open = new Set<Socket>();
  const answering = new Set<Socket>();
  let closing = false;
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    answering.add(socket);
    response.once('close', () => {
      answering.delete(socket);
      if (closing) socket.end();
    });
  });
  return () => {
    closing = true;
    for (const socket of open) if (!answering.has(socket)) socket.destroy();
  };
}
