import { Setting } from './setting.js';
import { IsWholeNumber } from './setting-rules.js';

/** From which values on `pgkeep monitor` reports (*seed*). */
export class MonitoringVariables {
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
