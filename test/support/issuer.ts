import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  CompactSign,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
} from 'jose';
import type { KeyAndCertificate } from '../../src/cluster/certificates.js';
import type { Environment } from '../../src/config/read-settings.js';

export const ISSUER = 'https://id.example/realms/clinic';
export const AUDIENCE = 'pgkeep';

/** How the server of the keys answers. */
export type Answer = (response: ServerResponse, keys: readonly JWK[]) => void;

const serve: Answer = (response, keys) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ keys }));
};

/** What a token states, beside the usual. Undefined leaves a claim out. */
export type Claims = Readonly<Record<string, unknown>>;

/** An identity provider: signs tokens, and serves its public keys on a port of loopback. */
export class Issuer {
  /** How many times the keys were asked for. */
  hits = 0;
  answer: Answer = serve;
  private keys: { readonly id: string; readonly jwk: JWK; readonly key: CryptoKey; readonly alg: string }[] =
    [];

  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {}

  static async start(certificate?: KeyAndCertificate): Promise<Issuer> {
    const handle = (_: IncomingMessage, response: ServerResponse): void => {
      issuer.hits += 1;
      issuer.answer(
        response,
        issuer.keys.map(({ jwk }) => jwk),
      );
    };
    const server = certificate
      ? createTlsServer({ cert: certificate.certificate, key: certificate.key }, handle)
      : createServer(handle);
    const issuer: Issuer = new Issuer(server, certificate ? 'https' : 'http');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await issuer.add('first');
    return issuer;
  }

  get url(): string {
    const address = this.server.address();
    return `${this.scheme}://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}/jwks`;
  }

  /** The settings that accept this issuer's tokens. */
  get settings(): Environment {
    return { ADMIN_JWT_ISSUER: ISSUER, ADMIN_JWT_AUDIENCE: AUDIENCE, ADMIN_JWT_JWKS_URL: this.url };
  }

  /** Makes the server answer with the keys again. */
  recover(): void {
    this.answer = serve;
  }

  /** Publishes another key, with which tokens are signed from now on. */
  async add(id: string, alg = 'ES256'): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: id, alg, use: 'sig' };
    this.keys = [{ id, jwk, key: privateKey, alg }, ...this.keys];
  }

  /** Withdraws every key but the newest. */
  withdrawOld(): void {
    this.keys = this.keys.slice(0, 1);
  }

  /** Signs a token with the newest key: of Ani, who is an operator, for five minutes. */
  async sign(
    claims: Claims = {},
    header: Partial<JWTHeaderParameters> = {},
    now = Date.now(),
  ): Promise<string> {
    const seconds = Math.floor(now / 1000);
    const usual = { iss: ISSUER, aud: AUDIENCE, sub: 'ani', exp: seconds + 300, roles: ['pgkeep-operator'] };
    return await this.signText(JSON.stringify({ ...usual, ...claims }), header);
  }

  /** Signs any text. */
  async signText(text: string, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    const { id, key, alg } = this.newest();
    return await new CompactSign(Buffer.from(text)).setProtectedHeader({ alg, kid: id, ...header }).sign(key);
  }

  /** A token that says it is signed with a shared secret: with the public key, which everybody knows. */
  signWithPublicKey(claims: Claims = {}): string {
    const { jwk } = this.newest();
    const all = { iss: ISSUER, aud: AUDIENCE, sub: 'ani', exp: 9e9, roles: ['pgkeep-admin'], ...claims };
    const signed = `${encoded({ alg: 'HS256', kid: 'first' })}.${encoded(all)}`;
    return `${signed}.${createHmac('sha256', JSON.stringify(jwk)).update(signed).digest('base64url')}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private newest(): (typeof this.keys)[number] {
    const [newest] = this.keys;
    if (!newest) throw new Error('the issuer has no key');
    return newest;
  }
}

/** A part of a token. */
export function encoded(part: object | string): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}
