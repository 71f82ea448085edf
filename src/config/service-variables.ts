import type { EnvironmentVariables } from './environment-variables.js';
import { IsGateList, IsListenAddress, IsNetworkList, IsWholeNumber } from './setting-validators.js';
import { DETAIL_LEVELS } from './settings.js';
import { IsIn, IsOptional, MinLength, ValidateIf } from './validation.js';

/**
 * The settings of the service and of readiness, as text; see {@link EnvironmentVariables}, which extends this class.
 */
export class ServiceVariables {
  /** Port to listen on; 0 takes a free one. Defaults to 3000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'a TCP port', max: 65_535 })
  PORT?: string;

  /** Address to listen on. Defaults to 0.0.0.0. */
  @IsOptional()
  @IsListenAddress()
  HOST?: string;

  /** Token of the admin routes; they are closed without one. At least 32 characters in production. */
  @IsOptional()
  @ValidateIf((variables: EnvironmentVariables) => variables.NODE_ENV === 'production')
  @MinLength(32, { message: 'at least 32 characters long in production' })
  ADMIN_API_TOKEN?: string;

  /** Proxies whose `X-Forwarded-For` counts, comma separated: addresses or networks. Defaults to none. */
  @IsOptional()
  @IsNetworkList()
  TRUST_PROXY?: string;

  /** One evaluation of the checks every so many milliseconds. Defaults to 5000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 100, max: 3_600_000 })
  READINESS_REFRESH_MS?: string;

  /** Deadline of one evaluation in milliseconds, below READINESS_REFRESH_MS. Defaults to 800, at most half of that period. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 50, max: 60_000 })
  READINESS_TIMEOUT_MS?: string;

  /** For how many evaluations in a row an unknown fact keeps its last verdict; 0: for none. Defaults to 3. */
  @IsOptional()
  @IsWholeNumber({ unit: 'evaluations', max: 100 })
  READINESS_FAILURE_THRESHOLD?: string;

  /** What anonymous callers of /ready see: always, codes (no texts), never (status only). Defaults to always. */
  @IsOptional()
  @IsIn(DETAIL_LEVELS, { message: 'always, codes or never' })
  READINESS_DETAILS?: string;

  /** Gates that differ from enforce, such as `backupConfig=latch,environment=warn`. */
  @IsOptional()
  @IsGateList()
  READINESS_GATES?: string;
}
