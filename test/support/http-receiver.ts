import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { KeyAndCertificate } from '../../src/cluster/certificates.js';

/** A request that a receiver got. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Answer = (response: ServerResponse, request: Received) => void;

/** A real HTTP server on loopback that keeps what it receives. */
export class HttpReceiver {
  readonly received: Received[] = [];
  /** How it answers; 200 by default. */
  answer: Answer = (response) => response.end();

  private constructor(
    private readonly server: Server,
    /** `http` or `https`. */
    private readonly scheme: string,
  ) {}

  static async start(tls?: KeyAndCertificate): Promise<HttpReceiver> {
    const server = tls ? createTlsServer({ cert: tls.certificate, key: tls.key }) : createServer();
    const receiver = new HttpReceiver(server, tls ? 'https' : 'http');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        const received = { method, path, headers, body: Buffer.concat(chunks).toString() };
        receiver.received.push(received);
        receiver.answer(response, received);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    const address: string | AddressInfo | null = this.server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the receiver does not listen');
    return address.port;
  }

  url(path = '/'): string {
    return `${this.scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Returns the JSON bodies, oldest first. */
  bodies(): unknown[] {
    return this.received.map(({ body }): unknown => JSON.parse(body));
  }

  /** Forgets what was received, and answers with 200 again. */
  reset(): void {
    this.received.length = 0;
    this.answer = (response) => response.end();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
