import { describe, expect, it } from '@jest/globals';
import { readSettings } from '../../src/config/read-settings.js';

const DATABASE = { DATABASE_URL: 'postgresql://u@h/d' };
const JWT = {
  ADMIN_JWT_ISSUER: 'https://id.example',
  ADMIN_JWT_AUDIENCE: 'pgkeep',
  ADMIN_JWT_JWKS_URL: 'https://id.example/jwks',
};

describe('the settings of JSON Web Tokens', () => {
  it('are off without an issuer, and have defaults with one', () => {
    expect(readSettings(DATABASE).jwt).toBeUndefined();
    expect(readSettings({ ...DATABASE, ...JWT }).jwt).toEqual({
      issuer: 'https://id.example',
      audience: 'pgkeep',
      keySetUrl: 'https://id.example/jwks',
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      claim: 'roles',
      nameClaim: 'sub',
      roles: [
        { role: 'viewer', value: 'pgkeep-viewer' },
        { role: 'operator', value: 'pgkeep-operator' },
        { role: 'admin', value: 'pgkeep-admin' },
      ],
    });
  });

  it.each([
    'https://id.example/jwks',
    'http://localhost:8080/jwks',
    'http://127.0.0.1/jwks',
    'http://[::1]/jwks',
  ])('accept keys from %s', (ADMIN_JWT_JWKS_URL) => {
    expect(readSettings({ ...DATABASE, ...JWT, ADMIN_JWT_JWKS_URL }).jwt?.keySetUrl).toBe(ADMIN_JWT_JWKS_URL);
  });

  it.each<[Readonly<Record<string, string>>, string]>([
    [
      { ADMIN_JWT_ISSUER: 'https://id.example' },
      `  ADMIN_JWT_AUDIENCE must be set because ADMIN_JWT_ISSUER is: without it a token for any other service would be accepted
  ADMIN_JWT_JWKS_URL must be set because ADMIN_JWT_ISSUER is: it is jwks_uri in /.well-known/openid-configuration of the issuer`,
    ],
    [
      { ADMIN_JWT_AUDIENCE: 'pgkeep' },
      '  ADMIN_JWT_AUDIENCE is set, but there is no issuer: set ADMIN_JWT_ISSUER too',
    ],
    [
      { ...JWT, ADMIN_JWT_JWKS_URL: 'http://id.example/jwks' },
      '  ADMIN_JWT_JWKS_URL must be a URL such as https://id.example/jwks.json: only https protects the keys; http is accepted to this machine alone',
    ],
    [
      { ...JWT, ADMIN_JWT_JWKS_URL: 'http://127.0.0.1.evil.example/jwks' },
      '  ADMIN_JWT_JWKS_URL must be a URL such as https://id.example/jwks.json: only https protects the keys; http is accepted to this machine alone',
    ],
    [
      { ...JWT, ADMIN_JWT_JWKS_URL: 'file:///etc/jwks.json' },
      '  ADMIN_JWT_JWKS_URL must be a URL such as https://id.example/jwks.json: only https protects the keys; http is accepted to this machine alone',
    ],
    [
      { ...JWT, ADMIN_JWT_ALGORITHMS: 'RS256,HS256' },
      '  ADMIN_JWT_ALGORITHMS must be some of RS256,PS256,ES256,EdDSA: "HS256" is not accepted',
    ],
    [
      { ...JWT, ADMIN_JWT_ALGORITHMS: 'none' },
      '  ADMIN_JWT_ALGORITHMS must be some of RS256,PS256,ES256,EdDSA: "none" is not accepted',
    ],
    [
      { ...JWT, ADMIN_JWT_ROLES: 'root=dba' },
      '  ADMIN_JWT_ROLES must be a list such as viewer=staff,operator=nurses,admin=dba: "root" is not a role (viewer, operator, admin)',
    ],
    [
      { ...JWT, ADMIN_JWT_ROLES: 'admin=' },
      '  ADMIN_JWT_ROLES must be a list such as viewer=staff,operator=nurses,admin=dba: "admin=" names no value',
    ],
  ])('refuse %j', (settings, faults) => {
    expect(() => readSettings({ ...DATABASE, ...settings })).toThrow(faults);
  });
});
