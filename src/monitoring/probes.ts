import type { CodeText } from '../readiness/check.js';
import { CONNECTION_CODES } from './connection-codes.js';
import { FORECAST_CODES } from './forecast-findings.js';
import type { Probe } from './probe.js';
import { archiver } from './probes/archiver.js';
import { busySessions } from './probes/busy-sessions.js';
import { constraints } from './probes/constraints.js';
import { deadRows } from './probes/dead-rows.js';
import { foreignKeys } from './probes/foreign-keys.js';
import { indexes } from './probes/indexes.js';
import { passwords } from './probes/passwords.js';
import { replication } from './probes/replication.js';
import { sequences } from './probes/sequences.js';
import { serverSettings } from './probes/server-settings.js';
import { sessions } from './probes/sessions.js';
import { sizes } from './probes/sizes.js';
import { staleStatistics } from './probes/stale-statistics.js';
import { statements } from './probes/statements.js';
import { transactions } from './probes/transactions.js';
import { unusedIndexes } from './probes/unused-indexes.js';
import { unloggedTables } from './probes/unlogged-tables.js';
import { wraparound } from './probes/wraparound.js';
import { TREND_CODES } from './watch/trends.js';

/** Every probe, in the order of docs/monitoring.md. */
export const PROBES: readonly Probe[] = [
  sessions,
  busySessions,
  transactions,
  wraparound,
  replication,
  archiver,
  sizes,
  statements,
  deadRows,
  staleStatistics,
  unloggedTables,
  indexes,
  unusedIndexes,
  foreignKeys,
  constraints,
  sequences,
  serverSettings,
  passwords,
];

/** The codes that no probe has: of connecting, of several samples, of what will happen. */
export const OTHER_CODES: Readonly<Record<string, CodeText>> = {
  ...CONNECTION_CODES,
  ...TREND_CODES,
  ...FORECAST_CODES,
};

/** Every code that a report can have. */
export const MONITORING_CODES: readonly string[] = [
  ...Object.keys(OTHER_CODES),
  ...PROBES.flatMap(({ codes }) => Object.keys(codes)),
];
