import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { JwtVerifier } from '../../src/access/jwt/jwt-verifier.js';
import type { Environment } from '../../src/config/read-settings.js';
import { readSettings } from '../../src/config/read-settings.js';
import { Clock } from '../../src/core/clock.js';
import { AUDIENCE, type Answer, encoded, ISSUER, Issuer } from '../support/issuer.js';

const MINUTE_MS = 60_000;

/** Advances when the test says so. */
class TestClock extends Clock {
  private passed = 0;
  private readonly start = Date.now();

  pass(ms: number): void {
    this.passed += ms;
  }

  now(): Date {
    return new Date(this.start + this.passed);
  }

  override monotonicMs(): number {
    return this.passed;
  }
}

let issuer: Issuer;
let clock: TestClock;
beforeEach(async () => {
  issuer = await Issuer.start();
  clock = new TestClock();
});
afterEach(async () => await issuer.close());

function verifier(settings: Environment = {}): JwtVerifier {
  const { jwt } = readSettings({ DATABASE_URL: 'postgresql://u@h/d', ...issuer.settings, ...settings });
  if (!jwt) throw new Error('no issuer is configured');
  return new JwtVerifier(jwt, clock);
}

const ANI = { name: 'ani', role: 'operator', by: 'jwt' };
const refused = (reason: string): object => ({ refused: reason });

describe('a JSON Web Token', () => {
  it.each(['ES256', 'RS256', 'PS256', 'EdDSA'])('signed by %s names who sends it', async (alg) => {
    await issuer.add('second', alg);
    expect(await verifier().verify(await issuer.sign())).toEqual(ANI);
  });

  it.each<[string, () => Promise<string> | string, string]>([
    [
      'without a signature',
      () => `${encoded({ alg: 'none' })}.${encoded({ iss: ISSUER, aud: AUDIENCE, sub: 'x', exp: 9e9 })}.`,
      'is signed by an algorithm that ADMIN_JWT_ALGORITHMS does not list',
    ],
    [
      'signed with the public key as a shared secret',
      () => issuer.signWithPublicKey(),
      'is signed by an algorithm that ADMIN_JWT_ALGORITHMS does not list',
    ],
    [
      'of another issuer',
      () => issuer.sign({ iss: 'https://evil.example' }),
      'has another iss than is accepted here',
    ],
    [
      'of an issuer whose name goes on',
      () => issuer.sign({ iss: `${ISSUER}/` }),
      'has another iss than is accepted here',
    ],
    ['for another service', () => issuer.sign({ aud: 'grafana' }), 'has another aud than is accepted here'],
    ['for nothing in particular', () => issuer.sign({ aud: undefined }), 'has no claim aud'],
    ['that has expired', () => issuer.sign({ exp: Math.floor(Date.now() / 1000) - 31 }), 'has expired'],
    ['that never expires', () => issuer.sign({ exp: undefined }), 'has no claim exp'],
    ['that expires in words', () => issuer.sign({ exp: 'never' }), 'has another exp than is accepted here'],
    [
      'that is not valid yet',
      () => issuer.sign({ nbf: Math.floor(Date.now() / 1000) + 60 }),
      'is not valid yet',
    ],
    ['about no person', () => issuer.sign({ sub: undefined }), 'has no claim sub'],
    [
      'about a person without a name',
      () => issuer.sign({ sub: ' ' }),
      'has a sub that is longer than 255 characters, or cannot be printed',
    ],
    [
      'about a person with a name of 10 kB',
      () => issuer.sign({ sub: 'x'.repeat(10_000) }),
      'has a sub that is longer than 255 characters, or cannot be printed',
    ],
    [
      'about a person whose name ends the line of a log',
      () => issuer.sign({ sub: 'ani\nroot@db1 signed in' }),
      'has a sub that is longer than 255 characters, or cannot be printed',
    ],
    [
      'about a person that is a number',
      () => issuer.sign({ sub: 7 }),
      'has a sub that is longer than 255 characters, or cannot be printed',
    ],
    [
      'by a key that the issuer does not have',
      () => issuer.sign({}, { kid: 'other' }),
      'names a key that its issuer does not have',
    ],
    [
      'with an unknown extension that is critical',
      () => critical(),
      'uses an extension that is not supported',
    ],
    ['that was changed', async () => changed(await issuer.sign()), 'has a wrong signature'],
    ['of nonsense', () => 'a.b.c', 'cannot be read'],
    ['of nothing', () => '..', 'cannot be read'],
    ['of an array', () => `${encoded([])}.${encoded([])}.AAAA`, 'cannot be read'],
  ])('%s is refused', async (_what, make, reason) => {
    expect(await verifier().verify(await make())).toEqual(refused(reason));
  });

  /** With a signature of nonsense, and an extension that this version does not know. */
  function critical(): string {
    const header = { alg: 'ES256', kid: 'first', crit: ['exp'], exp: 1 };
    return `${encoded(header)}.${encoded({ sub: 'ani' })}.${encoded('signature')}`;
  }

  /** The token with the role of an administrator. */
  function changed(token: string): string {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims: object = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return `${header}.${encoded({ ...claims, roles: ['pgkeep-admin'] })}.${signature}`;
  }

  it('may be 30 s old or early: clocks differ', async () => {
    const now = Math.floor(clock.now().getTime() / 1000);
    expect(await verifier().verify(await issuer.sign({ exp: now - 25, nbf: now + 25 }))).toEqual(ANI);
  });

  it('does not name the key to verify it with', async () => {
    const evil = await Issuer.start();
    try {
      await issuer.add('shared');
      for (const header of [
        { kid: 'shared', jku: evil.url },
        { kid: 'shared', x5u: evil.url },
        { kid: 'shared', jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } },
      ]) {
        expect(await verifier().verify(await evil.sign({}, header))).toEqual(
          refused('has a wrong signature'),
        );
        // The issuer's own token may have such a header: it is ignored.
        expect(await verifier().verify(await issuer.sign({}, header))).toEqual(ANI);
      }
      expect(evil.hits).toBe(0);
    } finally {
      await evil.close();
    }
  });

  it('counts with the last of two claims of one name, as RFC 7519 says', async () => {
    const exp = Math.floor(Date.now() / 1000) + 300;
    const token = await issuer.signText(
      `{"iss":"${ISSUER}","aud":"${AUDIENCE}","exp":1,"exp":${exp},"sub":"budi","sub":"ani","roles":["pgkeep-admin"],"roles":["pgkeep-operator"]}`,
    );
    expect(await verifier().verify(token)).toEqual(ANI);
  });

  it('may be an object only', async () => {
    for (const text of ['[]', '"ani"', 'null', '', '{"sub":"ani"']) {
      expect(await verifier().verify(await issuer.signText(text))).toEqual(refused('cannot be read'));
    }
  });
});

describe('the roles of a token', () => {
  it.each<[unknown, string]>([
    [['pgkeep-viewer'], 'viewer'],
    [['other', 'pgkeep-viewer', 'pgkeep-admin'], 'admin'],
    ['pgkeep-operator', 'operator'],
    ['openid pgkeep-viewer email', 'viewer'],
  ])('%j grant %s', async (roles, role) => {
    expect(await verifier().verify(await issuer.sign({ roles }))).toEqual({ ...ANI, role });
  });

  it.each<unknown>([
    undefined,
    [],
    ['admin'],
    'pgkeep-administrator',
    ['pgkeep-admin '],
    [['pgkeep-admin']],
    { 'pgkeep-admin': true },
    7,
    null,
  ])('%j grant none', async (roles) => {
    await expect(verifier().verify(await issuer.sign({ roles }))).rejects.toMatchObject({
      code: 'ROLE_REQUIRED',
      message: 'The JSON Web Token of ani grants no role.',
      hint: 'Its claim roles needs one of the values of ADMIN_JWT_ROLES: pgkeep-viewer, pgkeep-operator, pgkeep-admin.',
    });
  });

  it('are found in objects, and below names that are URLs; several values may grant one', async () => {
    const ADMIN_JWT_ROLES = 'viewer=staff,admin=dba,admin=sre';
    const keycloak = verifier({ ADMIN_JWT_CLAIM: 'realm_access.roles', ADMIN_JWT_ROLES });
    expect(await keycloak.verify(await issuer.sign({ realm_access: { roles: ['sre'] } }))).toMatchObject({
      role: 'admin',
    });
    const auth0 = verifier({ ADMIN_JWT_CLAIM: 'https://clinic.example/roles', ADMIN_JWT_ROLES });
    expect(
      await auth0.verify(await issuer.sign({ 'https://clinic.example/roles': ['staff'] })),
    ).toMatchObject({
      role: 'viewer',
    });
    const inherited = verifier({ ADMIN_JWT_CLAIM: 'constructor.name', ADMIN_JWT_ROLES: 'admin=Object' });
    await expect(inherited.verify(await issuer.sign())).rejects.toMatchObject({ code: 'ROLE_REQUIRED' });
  });

  it('are of the person whom another claim may name', async () => {
    const named = verifier({ ADMIN_JWT_NAME_CLAIM: 'email' });
    expect(await named.verify(await issuer.sign({ email: 'ani@clinic.example' }))).toMatchObject({
      name: 'ani@clinic.example',
    });
    for (const email of [undefined, '', 'a\u202Eb', 'x'.repeat(256), 7]) {
      expect(await named.verify(await issuer.sign({ email }))).toMatchObject({ name: 'ani' });
    }
  });
});

describe('the keys of the issuer', () => {
  const unavailable = {
    code: 'JWT_KEYS_UNAVAILABLE',
    message: 'Cannot check the JSON Web Token: the keys of its issuer cannot be read.',
    hint: 'Check that this machine reaches ADMIN_JWT_JWKS_URL: the log has the reason.',
  };
  const now = (): number => clock.now().getTime();
  const warnings: string[] = [];
  beforeEach(() => {
    warnings.length = 0;
    const ignore = (): void => {};
    Logger.overrideLogger({ log: ignore, error: ignore, warn: (text: string) => void warnings.push(text) });
  });

  it('are read once in ten minutes, and for an unknown key at most every 30 s', async () => {
    const jwt = verifier();
    await Promise.all(Array.from({ length: 20 }, async () => await jwt.verify(await issuer.sign())));
    expect(issuer.hits).toBe(1);
    for (let n = 0; n < 20; n += 1) await jwt.verify(await issuer.sign({}, { kid: `made-up-${n}` }));
    expect(issuer.hits).toBe(1);
    clock.pass(31_000);
    for (let n = 0; n < 20; n += 1) await jwt.verify(await issuer.sign({}, { kid: `made-up-${n}` }, now()));
    expect(issuer.hits).toBe(2);
    clock.pass(10 * MINUTE_MS);
    expect(await jwt.verify(await issuer.sign({}, {}, now()))).toEqual(ANI);
    expect(issuer.hits).toBe(3);
  });

  it('may be rotated: the new one counts when it is seen, the old one until it is withdrawn', async () => {
    const jwt = verifier();
    const old = await issuer.sign({ exp: Math.floor(now() / 1000) + 86_400 });
    expect(await jwt.verify(old)).toEqual(ANI);
    await issuer.add('second');
    clock.pass(31_000);
    expect(await jwt.verify(await issuer.sign({}, {}, now()))).toEqual(ANI);
    expect(await jwt.verify(old)).toEqual(ANI);
    issuer.withdrawOld();
    clock.pass(11 * MINUTE_MS);
    expect(await jwt.verify(old)).toEqual(refused('names a key that its issuer does not have'));
  });

  const FAULTS: readonly (readonly [string, Answer, string])[] = [
    ['fails', (response) => response.writeHead(500).end(), 'answered with status 500.'],
    [
      'redirects',
      (response) => response.writeHead(302, { location: issuer.url }).end(),
      'answered with status 302.',
    ],
    [
      'is cut off',
      (response) => response.destroy(),
      'closed the connection before it answered (UND_ERR_SOCKET).',
    ],
    ['is no JSON', (response) => response.end('<html>'), 'answered with something else than JSON.'],
    ['has no keys', (response) => response.end('{"keys":{}}'), 'answered with no list of keys.'],
    [
      'is of 10 MB',
      (response, keys) => response.end(JSON.stringify({ keys, padding: 'x'.repeat(10_000_000) })),
      'answered with more than 262144 bytes.',
    ],
  ];

  it.each(FAULTS)(
    'count on for a day where the answer %s, and then no longer',
    async (_what, answer, reason) => {
      const jwt = verifier();
      issuer.answer = answer;
      await expect(jwt.verify(await issuer.sign())).rejects.toMatchObject(unavailable);
      expect(issuer.hits).toBe(1);
      issuer.recover();
      // Not immediately: a server that is down is not asked by every request.
      await expect(jwt.verify(await issuer.sign())).rejects.toMatchObject(unavailable);
      clock.pass(31_000);
      expect(await jwt.verify(await issuer.sign({}, {}, now()))).toEqual(ANI);
      issuer.answer = answer;
      clock.pass(23 * 60 * MINUTE_MS);
      expect(await jwt.verify(await issuer.sign({}, {}, now()))).toEqual(ANI);
      expect(issuer.hits).toBe(3);
      clock.pass(2 * 60 * MINUTE_MS);
      await expect(jwt.verify(await issuer.sign({}, {}, now()))).rejects.toMatchObject(unavailable);
      // Once for each outage.
      const line = `Cannot read the keys of the issuer of JSON Web Tokens: ADMIN_JWT_JWKS_URL ${reason}`;
      expect(warnings).toEqual([line, line]);
    },
  );

  it('are not waited for longer than 3 s', async () => {
    const jwt = verifier();
    issuer.answer = (response) => void response.writeHead(200).write('{"keys":');
    const began = performance.now();
    await expect(jwt.verify(await issuer.sign())).rejects.toMatchObject(unavailable);
    expect(performance.now() - began).toBeLessThan(6000);
    expect(warnings).toEqual([expect.stringMatching(/ ADMIN_JWT_JWKS_URL did not answer within 3 s\.$/)]);
  });

  it('are not used where they are private, or of a shared secret', async () => {
    issuer.answer = (response) =>
      response.end(JSON.stringify({ keys: [{ kty: 'oct', kid: 'first', k: 'AAAA' }] }));
    expect(await verifier().verify(await issuer.sign())).toEqual(
      refused('names a key that its issuer does not have'),
    );
  });
});
