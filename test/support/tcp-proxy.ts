import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/**
 * What the proxy does with traffic: forward it, hold it until {@link TcpProxy.release}, swallow it (both ends stay
 * open), or refuse new connections.
 */
export type ProxyMode = 'pass' | 'hold' | 'swallow' | 'refuse';

/** A TCP proxy on loopback that fails on demand, as networks do. */
export class TcpProxy {
  mode: ProxyMode = 'pass';
  /** How long each chunk is held back, in ms. */
  delayMs = 0;
  private readonly sockets = new Set<Socket>();
  private readonly held: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(port: number): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
    const proxy = new TcpProxy(server, address.port);
    server.on('connection', (client) => proxy.join(client, connect(port, '127.0.0.1')));
    return proxy;
  }

  /** The number of connections through the proxy. */
  get connections(): number {
    return this.sockets.size / 2;
  }

  /** Breaks every connection with a reset. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Forwards what was held, and everything from now on. */
  release(): void {
    this.mode = 'pass';
    for (const send of this.held.splice(0)) send();
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket, upstream: Socket): void {
    if (this.mode === 'refuse') {
      client.resetAndDestroy();
      upstream.destroy();
      return;
    }
    this.forward(client, upstream);
    this.forward(upstream, client);
  }

  private forward(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.on('data', (chunk) => {
      if (this.mode === 'swallow') return;
      if (this.mode === 'hold') {
        this.held.push(() => to.write(chunk));
        return;
      }
      if (this.delayMs === 0) {
        to.write(chunk);
        return;
      }
      from.pause();
      setTimeout(() => {
        to.write(chunk);
        from.resume();
      }, this.delayMs);
    });
    from.on('error', () => undefined);
    from.once('close', () => {
      this.sockets.delete(from);
      if (this.delayMs === 0) to.destroy();
      // After the chunk that is still held back.
      else setTimeout(() => to.end(), this.delayMs);
    });
  }
}
