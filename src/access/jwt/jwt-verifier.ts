import { type JWTPayload, errors } from 'jose';
import { jwtVerify } from 'jose/jwt/verify';
import type { JwtSettings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { boundedList } from '../../core/text.js';
import { type Identity, includesRole, isName, LONGEST_NAME, type Role } from '../access.types.js';
import { KeySet } from './key-set.js';

/** How far the clocks of the issuer and of this machine may differ. */
const CLOCK_TOLERANCE_SECONDS = 30;

/** The result for a token: whose it is, or why it does not count, as the end of the sentence "The JSON Web Token …". */
export type JwtResult = Identity | { readonly refused: string };

/**
 * Verifies JSON Web Tokens of one issuer: the signature by its published keys and a listed algorithm, then `iss`, `aud`,
 * `exp`, `nbf` and `sub`. Headers of a token that name a key (`jwk`, `jku`, `x5u`, `x5c`) are ignored.
 */
export class JwtVerifier {
  private readonly keySet: KeySet;

  constructor(
    private readonly settings: JwtSettings,
    private readonly clock: Clock,
  ) {
    this.keySet = new KeySet(settings.keySetUrl, clock);
  }

  /**
   * Returns whose token it is.
   * @throws PgkeepError `JWT_KEYS_UNAVAILABLE`; `ROLE_REQUIRED` where the token is right and grants no role.
   */
  async verify(token: string): Promise<JwtResult> {
    const { issuer, audience, algorithms } = this.settings;
    try {
      const { payload } = await jwtVerify(token, (header, jws) => this.keySet.key(header, jws), {
        issuer,
        audience,
        algorithms: [...algorithms],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: this.clock.now(),
        requiredClaims: ['sub', 'exp'],
      });
      return this.identityOf(payload);
    } catch (error) {
      if (error instanceof PgkeepError) throw error;
      return { refused: reasonOf(error) };
    }
  }

  private identityOf(payload: JWTPayload): JwtResult {
    const { sub } = payload;
    if (!isName(sub))
      return { refused: `has a sub that is longer than ${LONGEST_NAME} characters, or cannot be printed` };
    const stated = claimOf(payload, this.settings.nameClaim);
    const name = isName(stated) ? stated : sub;
    const role = this.roleOf(payload);
    if (role !== undefined) return { name, role, by: 'jwt' };
    const values = this.settings.roles.map(({ value }) => value);
    throw new PgkeepError('ROLE_REQUIRED', `The JSON Web Token of ${name} grants no role.`, {
      hint: `Its claim ${this.settings.claim} needs one of the values of ADMIN_JWT_ROLES: ${boundedList(values)}.`,
    });
  }

  /** Returns the greatest role that the claim grants. */
  private roleOf(payload: JWTPayload): Role | undefined {
    const claim = claimOf(payload, this.settings.claim);
    const values: unknown[] =
      typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : [];
    return this.settings.roles
      .filter(({ value }) => values.includes(value))
      .map(({ role }) => role)
      .reduce<Role | undefined>(
        (greatest, role) => (greatest && includesRole(greatest, role) ? greatest : role),
        undefined,
      );
  }
}

/** Returns a claim by its name, or else by a path with dots: names of some providers are URLs. */
function claimOf(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? Reflect.get(value, name)
          : undefined,
      payload,
    );
}

/** Says why a token does not count. Its own values are not shown, unless the signature was right. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (claim === 'nbf') return 'is not valid yet';
    return reason === 'missing' ? `has no claim ${claim}` : `has another ${claim} than is accepted here`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'is signed by an algorithm that ADMIN_JWT_ALGORITHMS does not list';
  if (error instanceof errors.JWKSNoMatchingKey) return 'names a key that its issuer does not have';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'names no key, and its issuer has several';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'has a wrong signature';
  if (error instanceof errors.JOSENotSupported) return 'uses an extension that is not supported';
  return 'cannot be read';
}
