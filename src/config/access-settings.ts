import type { Fault } from './secret-file.js';
import { parseList } from './setting-parsers.js';
import { IsParsedBy } from './setting-rules.js';
import { Setting } from './setting.js';
import { type JwtSettings, type Role, ROLES } from './settings.js';
import { Matches } from './validation.js';

/** The algorithms of signatures that pgkeep accepts: none with a shared secret, and none whose keys are too short. */
export const JWT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** Which JSON Web Tokens the admin routes accept beside the admin token. */
export class AccessVariables {
  @Setting('ADMIN_JWT_ISSUER', {
    text: 'whose JSON Web Tokens the admin routes accept: the claim `iss`, as the identity provider writes it. See [access](access.md#json-web-tokens)',
    defaultText: 'none',
    example: 'https://id.example/realms/clinic',
    family: 'ADMIN_JWT_',
    parse: String,
  })
  @Matches(/^\S+$/, { message: 'the issuer of the tokens, such as https://id.example/realms/clinic' })
  readonly jwtIssuer: string | undefined;

  @Setting('ADMIN_JWT_AUDIENCE', {
    text: 'for whom the tokens must be: the claim `aud`, which is the client’s name at the identity provider',
    defaultText: 'none; demanded with an issuer',
    example: 'pgkeep',
    parse: String,
  })
  @Matches(/^\S+$/, { message: 'a name without blanks, such as pgkeep' })
  readonly jwtAudience: string | undefined;

  @Setting('ADMIN_JWT_JWKS_URL', {
    text: 'where the issuer’s public keys are: `jwks_uri` in its `/.well-known/openid-configuration`; https, or http to this machine',
    defaultText: 'none; demanded with an issuer',
    example: 'https://id.example/realms/clinic/protocol/openid-connect/certs',
    parse: parseKeySetUrl,
  })
  @IsParsedBy('isKeySetUrl', 'a URL such as https://id.example/jwks.json', parseKeySetUrl)
  readonly jwtKeySetUrl: URL | undefined;

  @Setting('ADMIN_JWT_ALGORITHMS', {
    text: 'by which algorithms the tokens may be signed',
    default: JWT_ALGORITHMS.join(','),
    parse: parseAlgorithms,
  })
  @IsParsedBy('isAlgorithmList', `some of ${JWT_ALGORITHMS.join(',')}`, parseAlgorithms)
  readonly jwtAlgorithms: readonly string[];

  @Setting('ADMIN_JWT_CLAIM', {
    text: 'the claim that names the roles: a list of texts, or one text with blanks between; dots lead into objects, as in `realm_access.roles`',
    default: 'roles',
    parse: String,
  })
  @Matches(/^\S+$/, { message: 'the name of a claim, such as roles or realm_access.roles' })
  readonly jwtClaim: string;

  @Setting('ADMIN_JWT_ROLES', {
    text: 'which value of that claim grants which role; a role can be there several times, and the greatest counts',
    default: ROLES.map((role) => `${role}=pgkeep-${role}`).join(','),
    parse: parseRoleValues,
  })
  @IsParsedBy('isRoleList', 'a list such as viewer=staff,operator=nurses,admin=dba', parseRoleValues)
  readonly jwtRoles: readonly RoleValue[];

  @Setting('ADMIN_JWT_NAME_CLAIM', {
    text: 'the claim whose text names the person in the audit log; `sub` where a token does not have it. Take one that the person cannot change',
    default: 'sub',
    example: 'email',
    parse: String,
  })
  @Matches(/^\S+$/, { message: 'the name of a claim, such as sub or email' })
  readonly jwtNameClaim: string;
}

/** Which value of the claim grants a role. */
export interface RoleValue {
  readonly role: Role;
  readonly value: string;
}

/** Returns what tokens are accepted; undefined where none are. */
export function toJwtSettings({
  jwtIssuer: issuer,
  jwtAudience: audience,
  jwtKeySetUrl,
  jwtAlgorithms: algorithms,
  jwtClaim: claim,
  jwtRoles: roles,
  jwtNameClaim: nameClaim,
}: AccessVariables): JwtSettings | undefined {
  if (issuer === undefined || audience === undefined || jwtKeySetUrl === undefined) return undefined;
  return { issuer, audience, keySetUrl: jwtKeySetUrl.href, algorithms, claim, roles, nameClaim };
}

/** Returns what makes no sense together. */
export function accessFaults({ jwtIssuer, jwtAudience, jwtKeySetUrl }: AccessVariables): Fault[] {
  return (
    [
      ['ADMIN_JWT_AUDIENCE', jwtAudience, 'without it a token for any other service would be accepted'],
      [
        'ADMIN_JWT_JWKS_URL',
        jwtKeySetUrl,
        'it is jwks_uri in /.well-known/openid-configuration of the issuer',
      ],
    ] as const
  ).flatMap(([subject, value, why]) => {
    if (jwtIssuer !== undefined && value === undefined) {
      return [{ subject, problem: `must be set because ADMIN_JWT_ISSUER is: ${why}` }];
    }
    return jwtIssuer === undefined && value !== undefined
      ? [{ subject, problem: 'is set, but there is no issuer: set ADMIN_JWT_ISSUER too' }]
      : [];
  });
}

/** Returns the URL of a key set. Whoever can change its answer can sign tokens. @throws Error. */
function parseKeySetUrl(text: string): URL {
  if (!URL.canParse(text)) throw new Error('it is no URL');
  const url = new URL(text);
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.username || url.password) throw new Error('it has credentials, and a key set needs none');
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return url;
  throw new Error('only https protects the keys; http is accepted to this machine alone');
}

/** @throws Error that names the wrong one. */
function parseAlgorithms(text: string): readonly string[] {
  const algorithms = parseList(text);
  const unknown = algorithms.find((algorithm) => !JWT_ALGORITHMS.some((known) => known === algorithm));
  if (unknown !== undefined) throw new Error(`"${unknown}" is not accepted`);
  return algorithms;
}

/** @throws Error that names the wrong entry. */
function parseRoleValues(text: string): readonly RoleValue[] {
  return parseList(text).map((entry) => {
    const [name = '', ...rest] = entry.split('=');
    const role = ROLES.find((known) => known === name.trim());
    const value = rest.join('=').trim();
    if (role === undefined) throw new Error(`"${name}" is not a role (${ROLES.join(', ')})`);
    if (value === '') throw new Error(`"${entry}" names no value`);
    return { role, value };
  });
}
