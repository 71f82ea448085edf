import { once } from 'node:events';
import { connect } from 'node:net';

const HEAD_END = '\r\n\r\n';
const LARGEST_HEAD = 2048;

/**
 * One keep-alive HTTP connection that sends the same GET repeatedly. It reads only the status and the length of an
 * answer, so that on a small machine the server is busy and not its client.
 */
export class Connection {
  /** @type {import('node:net').Socket} */
  #socket;
  /** @type {Buffer} */
  #request;
  /** @type {Buffer | undefined} the beginning of a head that came in parts */
  #begun;
  #status = 0;
  #missing = 0;
  /** @type {((status: number) => void) | undefined} */
  #answered;

  /**
   * @param {import('node:net').Socket} socket
   * @param {Buffer} request
   * @param {(error: Error) => void} onFailure called when the connection breaks while an answer is awaited
   */
  constructor(socket, request, onFailure) {
    this.#socket = socket.setNoDelay(true);
    this.#request = request;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', onFailure);
    socket.on('close', () => {
      if (this.#answered) onFailure(new Error('the server closed the connection'));
    });
  }

  /**
   * @param {string} address
   * @param {(error: Error) => void} onFailure
   */
  static async open(address, onFailure) {
    const { hostname, port, pathname } = new URL(address);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const head = `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: keep-alive\r\n\r\n`;
    return new Connection(socket, Buffer.from(head), onFailure);
  }

  /** @param {(status: number) => void} answered called once, when the complete answer has arrived */
  ask(answered) {
    this.#answered = answered;
    this.#socket.write(this.#request);
  }

  close() {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  /** @param {Buffer} chunk */
  #receive(chunk) {
    if (this.#missing === 0) this.#readHead(chunk);
    else this.#missing -= chunk.length;
    if (this.#missing > 0 || this.#begun) return;
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(this.#status);
  }

  /** @param {Buffer} chunk */
  #readHead(chunk) {
    const bytes = this.#begun ? Buffer.concat([this.#begun, chunk]) : chunk;
    const text = bytes.toString('latin1', 0, Math.min(bytes.length, LARGEST_HEAD));
    const end = text.indexOf(HEAD_END);
    this.#begun = end < 0 ? bytes : undefined;
    if (end < 0) return;
    this.#status = Number(text.slice(9, 12));
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    this.#missing = end + HEAD_END.length + length - bytes.length;
  }
}
