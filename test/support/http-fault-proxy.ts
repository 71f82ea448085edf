import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/**
 * How a request is treated: forwarded, answered with this status, forwarded without returning the answer, or neither.
 */
export type HttpFate = 'pass' | 'lose-answer' | 'hang' | number;

/** An HTTP proxy on loopback in front of one server, which makes some requests fail as overloaded storages do. */
export class HttpFaultProxy {
  /** Decides about each request, such as `PUT /bucket/key?partNumber=2`. */
  fate: (request: string) => HttpFate = () => 'pass';
  readonly requests: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    readonly url: string,
  ) {}

  static async to(target: string): Promise<HttpFaultProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
    const proxy = new HttpFaultProxy(server, new URL(target), `http://127.0.0.1:${address.port}`);
    server.on('request', (incoming, answer) => proxy.handle(incoming, answer));
    return proxy;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private handle(incoming: IncomingMessage, answer: ServerResponse): void {
    const line = `${incoming.method} ${incoming.url}`;
    this.requests.push(line);
    const fate = this.fate(line);
    if (fate === 'hang') return;
    if (typeof fate === 'number') {
      incoming.resume();
      incoming.once('end', () => {
        answer.writeHead(fate, { 'content-type': 'application/xml' });
        answer.end(
          '<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>',
        );
      });
      return;
    }
    // The headers unchanged, including Host: they are signed.
    const { hostname, port } = this.target;
    const { method, url, headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers, agent: false }, (reply) => {
      if (fate === 'lose-answer') {
        reply.resume().once('end', () => answer.destroy());
        return;
      }
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      // Swift sends a body after some answers to HEAD, where HTTP has none.
      if (method === 'HEAD') answer.end();
      else reply.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.once('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}
