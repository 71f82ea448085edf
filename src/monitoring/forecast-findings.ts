import { boundedList, formatBytes } from '../core/text.js';
import type { CodeText } from '../readiness/check.js';
import { daysUntil, type Forecast } from './forecast.js';
import type { BackupSpace, MonitoringFinding, Severity, StorageSpace } from './monitoring.types.js';
import { nameOf, type ObjectName } from './probe-sql.js';
import { IDS_RUN_OUT, REPORTED_SHARE } from './probes/sequences.js';

/** What forecasts find, so no probe has it. */
export const FORECAST_CODES = {
  DISK_FILLS: {
    meaning:
      'The database reaches its limit within 30 days, and has used 60 % of it; critical within 7 days. Needs three days of history.',
    remedy:
      'Delete what is not needed, or make the disk larger. DB_STORAGE_LIMIT says how large the database may become.',
  },
  CERTIFICATE_EXPIRES: {
    meaning: 'The server’s certificate expires within 45 days; critical within 14 days.',
    remedy: 'Renew the certificate, then reload the server’s configuration.',
  },
  SERVER_OUTDATED: {
    meaning: 'The server’s version gets no fixes any more, or will not in half a year.',
    remedy: 'Plan the upgrade to a newer major version.',
  },
  BACKUP_DISK_FILLS: {
    meaning: 'BACKUP_DIR has room for fewer than three more backups of the size of the newest one.',
    remedy:
      'Make the volume larger, or keep fewer backups: see BACKUP_RETENTION_DAYS and `pgkeep backup prune --dry-run`.',
  },
} as const satisfies Record<string, CodeText>;

/** How many backups BACKUP_DIR must have room for. */
const BACKUPS_AHEAD = 3;
/** From which share of the limit on its forecast counts. */
const FULL_ENOUGH = 0.6;
const OUTDATED_DAYS = 182;

/** What the findings are made of. */
export interface ForecastFacts {
  readonly forecasts: readonly Forecast[];
  readonly storage: StorageSpace;
  readonly backups: BackupSpace | undefined;
  /** The tables that grew most in the last 30 days. */
  readonly growers: readonly (ObjectName & { readonly bytes: number })[];
  /** The share of its numbers that the fullest key has used. */
  readonly idsUsed: number;
  readonly now: Date;
}

/** Returns what needs attention because of what will happen. Pure. */
export function forecastFindings(facts: ForecastFacts): MonitoringFinding[] {
  return [
    ...facts.forecasts.flatMap((forecast) => findingsOf(forecast, facts)),
    ...(facts.backups ? backupFindings(facts.backups) : []),
  ];
}

function findingsOf(forecast: Forecast, facts: ForecastFacts): MonitoringFinding[] {
  const { storage, growers, now } = facts;
  const days = daysUntil(forecast, now);
  if (days === undefined) return [];
  const withoutStop = forecast.text.replace(/\.$/, '');
  if (forecast.what === 'certificate') {
    return dated(days, [45, 14], {
      code: 'CERTIFICATE_EXPIRES',
      subject: forecast.subject,
      text: withoutStop,
    });
  }
  if (forecast.what === 'support') {
    if (days > OUTDATED_DAYS) return [];
    return [finding('info', { code: 'SERVER_OUTDATED', subject: forecast.subject, text: withoutStop })];
  }
  if (forecast.what === 'ids') {
    // A key that has used most of its numbers is reported by the probe.
    if (facts.idsUsed >= REPORTED_SHARE) return [];
    return dated(days, [180, 30], { code: 'IDS_RUN_OUT', subject: forecast.subject, text: withoutStop });
  }
  if (forecast.what !== 'disk' || (storage.usedShare ?? 0) < FULL_ENOUGH) return [];
  const growing = growers.filter(({ bytes }) => bytes > 0);
  const who =
    growing.length === 0
      ? ''
      : `; it grew most in ${boundedList(
          growing.map((table) => `${nameOf(table)} (${formatBytes(table.bytes)})`),
          3,
        )}`;
  return dated(days, [30, 7], { code: 'DISK_FILLS', subject: '', text: `${withoutStop}${who}` });
}

/** @param limits from how many days on it is a warning, and critical */
function dated(
  days: number,
  [warning, critical]: readonly [number, number],
  what: NewFinding,
): MonitoringFinding[] {
  if (days > warning) return [];
  return [finding(days > critical ? 'warning' : 'critical', what)];
}

function backupFindings({ directory, freeBytes, newestBytes }: BackupSpace): MonitoringFinding[] {
  if (freeBytes >= BACKUPS_AHEAD * newestBytes) return [];
  return [
    finding('warning', {
      code: 'BACKUP_DISK_FILLS',
      subject: directory,
      text: `${directory} has ${formatBytes(freeBytes)} free; the newest backup has ${formatBytes(newestBytes)}`,
    }),
  ];
}

interface NewFinding {
  readonly code: keyof typeof FORECAST_CODES | 'IDS_RUN_OUT';
  readonly subject: string;
  readonly text: string;
}

function finding(severity: Severity, { code, subject, text }: NewFinding): MonitoringFinding {
  const { remedy } = code === 'IDS_RUN_OUT' ? IDS_RUN_OUT : FORECAST_CODES[code];
  return { code, severity, subject, text, remedy, sql: null };
}
