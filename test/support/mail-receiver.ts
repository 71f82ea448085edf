import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { until } from './until.js';

interface Login {
  readonly user: string;
  readonly password: string;
  readonly isEncrypted: boolean;
}

/** A real mail server on loopback that keeps what it receives. */
export class MailReceiver {
  private constructor(
    private readonly server: SMTPServer,
    /** The mails, as they came. */
    readonly mails: readonly string[],
    /** Each login, and whether its password came by TLS. */
    readonly logins: readonly Login[],
  ) {}

  static async start(options: SMTPServerOptions = {}): Promise<MailReceiver> {
    const mails: string[] = [];
    const logins: Login[] = [];
    const server = new SMTPServer({
      onAuth: ({ username, password }, { secure }, done) => {
        logins.push({ user: username ?? '', password: password ?? '', isEncrypted: secure });
        done(null, { user: username ?? '' });
      },
      onData: (stream, _session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          mails.push(Buffer.concat(chunks).toString());
          done();
        });
      },
      logger: false,
      ...options,
    });
    // A client that distrusts the certificate hangs up, which is an error here.
    server.on('error', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    return new MailReceiver(server, mails, logins);
  }

  get port(): number {
    const address: string | AddressInfo | null = this.server.server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the receiver does not listen');
    return address.port;
  }

  async untilMails(count: number): Promise<void> {
    await until(() => this.mails.length >= count, 10_000, `${count} mails`);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
