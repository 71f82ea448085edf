import type { Fault } from './secret-file.js';
import { type Network, oneOf, parseGates, parseNetworks, refuseUnknownCheck } from './setting-parsers.js';
import { IsGateList, IsListenAddress, IsNetworkList, IsOneOf, IsWholeNumber } from './setting-rules.js';
import { Setting } from './setting.js';
import {
  DETAIL_LEVELS,
  type DetailLevel,
  type EnvironmentName,
  ENVIRONMENTS,
  type Gate,
} from './settings.js';
import { MinLength } from './validation.js';

/** Which environment this is. */
export class EnvironmentVariables {
  @Setting('NODE_ENV', {
    text: '`development`, `test`, `staging` or `production`. The database’s stamp must have the same',
    default: 'development',
    family: '',
    parse: oneOf(ENVIRONMENTS),
  })
  @IsOneOf(ENVIRONMENTS)
  readonly environment: EnvironmentName;
}

/** Where the service listens, and who may use the admin routes. */
export class HttpVariables {
  @Setting('PORT', {
    text: 'port of the service; 0 takes a free one',
    default: '3000',
    parse: Number,
  })
  @IsWholeNumber({ what: 'a TCP port', max: 65_535 })
  readonly port: number;

  @Setting('HOST', {
    text: 'address on which the service listens',
    default: '0.0.0.0',
    parse: String,
  })
  @IsListenAddress()
  readonly host: string;

  /** Undefined closes the admin routes. Changes with its file, so read it for each use. */
  @Setting('ADMIN_API_TOKEN', {
    text: 'the token of the admin routes; at least 32 characters in production: `openssl rand -hex 32`',
    defaultText: 'none; admin routes answer 403',
    example: '',
    secret: true,
    family: 'ADMIN_API_',
    parse: String,
  })
  @MinLength(32, { groups: ['production'], message: 'at least 32 characters long in production' })
  readonly adminToken: string | undefined;

  /** The proxies whose `X-Forwarded-For` is trusted. */
  @Setting('TRUST_PROXY', {
    text: 'proxies whose `X-Forwarded-For` is trusted: addresses or networks, comma separated. Ten wrong tokens a minute close the admin routes to the client’s address, which is the proxy’s if it is not named here',
    default: '',
    defaultText: 'none',
    example: '10.0.0.0/8,fd00::/8',
    family: 'TRUST_PROX',
    parse: parseNetworks,
  })
  @IsNetworkList()
  readonly trustedProxies: readonly Network[];
}

/** The kubelet waits 1 s. */
const LONGEST_DEFAULT_TIMEOUT_MS = 800;

/** How the verdict of `/ready` is made and shown. */
export class ReadinessVariables {
  /** Period of the evaluations. */
  @Setting('READINESS_REFRESH_MS', {
    text: 'period of the evaluations',
    default: '5000',
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 100, max: 3_600_000 })
  readonly refreshMs: number;

  /** Deadline of one evaluation, and of a probe that waits for the first. */
  @Setting('READINESS_TIMEOUT_MS', {
    text: 'deadline of an evaluation, below `READINESS_REFRESH_MS`; the kubelet waits 1 s by default',
    // Half of the period leaves time for a second evaluation after a miss.
    default: ({ refreshMs }: ReadinessVariables) =>
      String(Math.min(LONGEST_DEFAULT_TIMEOUT_MS, Math.floor(refreshMs / 2))),
    defaultText: `${LONGEST_DEFAULT_TIMEOUT_MS} ms; at most half of \`READINESS_REFRESH_MS\``,
    example: `${LONGEST_DEFAULT_TIMEOUT_MS}`,
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 50, max: 60_000 })
  readonly timeoutMs: number;

  /** For how many evaluations in a row an unknown fact keeps its last verdict. */
  @Setting('READINESS_FAILURE_THRESHOLD', {
    text: 'for how many evaluations in a row, and at most two periods, an unknown check keeps its last result; 0: for none',
    default: '3',
    unit: 'evaluations',
    parse: Number,
  })
  @IsWholeNumber({ max: 100 })
  readonly failureThreshold: number;

  /** What anonymous callers see. */
  @Setting('READINESS_DETAILS', {
    text: 'what callers of `/ready` without the admin token see: `codes` hides texts from them, `never` shows them only the status',
    default: 'always',
    parse: oneOf(DETAIL_LEVELS),
  })
  @IsOneOf(DETAIL_LEVELS)
  readonly details: DetailLevel;

  /** The gates of the checks that the setting names. The others have the gate of their declaration. */
  @Setting('READINESS_GATES', {
    text: 'gates of the checks: `enforce`, `latch` (only until this instance was ready once) or `warn` (report only). See [checks](checks.md)',
    default: '',
    defaultText: 'all `enforce`',
    example: 'backupConfig=latch,environment=warn',
    parse: parseGates,
    refuse: refuseUnknownCheck,
  })
  @IsGateList()
  readonly gates: Readonly<Record<string, Gate>>;
}

/** Returns what makes no sense together. */
export function readinessFaults({ refreshMs, timeoutMs }: ReadinessVariables): Fault[] {
  if (timeoutMs < refreshMs) return [];
  const problem = `must be below READINESS_REFRESH_MS (${refreshMs}), or evaluations overlap; it is ${timeoutMs}`;
  return [{ subject: 'READINESS_TIMEOUT_MS', problem }];
}
