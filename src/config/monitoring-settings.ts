import { type IgnoredFinding, isTrue, parseIgnored, parseSeconds, parseSize } from './setting-parsers.js';
import { Setting } from './setting.js';
import { IsFlag, IsIgnoreList, IsSize, IsWholeNumber } from './setting-rules.js';

/** Whether the service samples in the background, and from which values on it reports (*seed*). */
export class MonitoringVariables {
  @Setting('DB_MONITORING_ENABLED', {
    text: 'whether the service samples the database in the background; of several replicas one does. `pgkeep monitor` needs no enabling',
    default: 'false',
    example: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly enabled: boolean;

  @Setting('DB_MONITORING_INTERVAL_SECONDS', {
    text: 'time between two samples; what is more expensive is measured every minute, or every hour',
    default: '15',
    unit: 'seconds',
    parse: parseSeconds,
  })
  @IsWholeNumber({ min: 5, max: 300 })
  readonly intervalMs: number;

  /** In bytes. */
  @Setting('DB_STORAGE_LIMIT', {
    text: 'how large the database may become, such as `100GB` or `1TiB`, for the forecast of when it is full',
    defaultText: 'the size of its disk, where pgkeep runs on the database’s machine and may see it',
    example: '',
    parse: parseSize,
  })
  @IsSize()
  readonly storageLimitBytes: number | undefined;

  @Setting('DB_MONITORING_IGNORE', {
    text: 'findings that are never reported: codes, or a code and a subject, comma separated, such as `INDEX_DUPLICATE,TABLE_UNLOGGED:staging.*`',
    default: '',
    defaultText: 'none',
    parse: parseIgnored,
  })
  @IsIgnoreList()
  readonly ignored: readonly IgnoredFinding[];

  @Setting('DB_CONNECTION_TIME_THRESHOLD', {
    text: 'from which time to connect on `pgkeep monitor` reports CONNECTION_SLOW',
    default: '5000',
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 600_000 })
  readonly connectionTimeMs: number;

  @Setting('DB_QUERY_TIME_THRESHOLD', {
    text: 'from which duration of one statement on it reports QUERY_LONG',
    default: '10000',
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 86_400_000 })
  readonly queryTimeMs: number;

  @Setting('DB_CONNECTION_COUNT_THRESHOLD', {
    text: 'above how many connections of applications it reports CONNECTIONS_HIGH',
    default: '15',
    unit: 'connections',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 100_000 })
  readonly connectionCount: number;
}
