import { open, statfs } from 'node:fs/promises';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { valueOf } from '../core/known.js';
import { readOne, type ReadTimeouts } from '../postgres/read.js';
import { BackupWatch } from '../readiness/backup-watch.js';
import { readNewestEvidence } from '../restore/test/evidence.js';
import { datedForecast, diskForecast, type Forecast, idsForecast, supportForecast } from './forecast.js';
import { forecastFindings } from './forecast-findings.js';
import { readDays, readGrowers } from './history/daily-records.js';
import type { BackupSpace, MonitoringFinding, StorageSpace } from './monitoring.types.js';
import type { Sampled } from './probe.js';
import type { ServerDescription } from './server-context.js';

const DAY_MS = 86_400_000;
/** How long the storage of backups may take to answer the first time. */
const BACKUPS_MS = 1000;

/** What will happen, and what needs attention because of that. */
export interface Outlook {
  readonly forecasts: readonly Forecast[];
  readonly storage: StorageSpace;
  readonly findings: readonly MonitoringFinding[];
}

/** What is forecast from. */
export interface OutlookContext {
  readonly server: ServerDescription;
  readonly sampled: readonly Sampled[];
  readonly now: Date;
  readonly timeouts: ReadTimeouts;
}

/** Forecasts what will break: the disk, keys, certificate, password, proof of the backups, support of the server. */
@Injectable()
export class ForecastService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly backups: BackupWatch,
  ) {}

  /** Reads the outlook. What cannot be read is left out. @throws what broke the connection, at the next use of it. */
  async read(client: Client, { server, sampled, now, timeouts }: OutlookContext): Promise<Outlook> {
    const vitals = sampled.map((one) => one.vitals);
    const sizeBytes = vitals.find((one) => one?.sizeBytes !== undefined)?.sizeBytes ?? null;
    const key = sampled.find(({ fullestKey }) => fullestKey)?.fullestKey;
    const expiry = sampled.find(({ passwordExpiry }) => passwordExpiry)?.passwordExpiry;
    const days = server.hasRecords
      ? await readDays(client, ['sizeBytes', 'idsUsed'], timeouts).catch(() => undefined)
      : undefined;
    const storage = await this.readStorage(client, sizeBytes, timeouts);
    const disk = {
      days: days?.get('sizeBytes') ?? [],
      current: sizeBytes ?? 0,
      limit: storage.limitBytes,
      now,
    };
    const proof = server.hasRecords
      ? await this.proofForecast(client, timeouts).catch(() => undefined)
      : undefined;
    const certificate = certificateForecast(client);
    const support = supportForecast(server.versionNumber);
    const forecasts = [
      ...(sizeBytes === null ? [] : [diskForecast(disk)]),
      ...(key ? [idsForecast(key, { days: days?.get('idsUsed') ?? [], now })] : []),
      ...(certificate ? [certificate] : []),
      ...(expiry ? [passwordForecast(expiry)] : []),
      ...(proof ? [proof] : []),
      ...(support ? [support] : []),
    ];
    const growers = server.hasRecords ? await readGrowers(client, timeouts).catch(() => []) : [];
    const backups = await this.backupSpace().catch(() => undefined);
    return {
      forecasts,
      storage,
      findings: forecastFindings({ forecasts, storage, backups, growers, idsUsed: key?.share ?? 0, now }),
    };
  }

  /** How large the database may become: as set, or as the disk of the database's own machine allows. */
  private async readStorage(
    client: Client,
    sizeBytes: number | null,
    timeouts: ReadTimeouts,
  ): Promise<StorageSpace> {
    const { storageLimitBytes } = this.settings.monitoring;
    if (sizeBytes === null) return { limitBytes: storageLimitBytes ?? null, usedShare: null };
    if (storageLimitBytes !== undefined) {
      return { limitBytes: storageLimitBytes, usedShare: sizeBytes / storageLimitBytes };
    }
    const unknown = { limitBytes: null, usedShare: null };
    if (!isThisMachine(this.settings.database.url)) return unknown;
    return (await diskOf(client, sizeBytes, timeouts).catch(() => undefined)) ?? unknown;
  }

  private async proofForecast(client: Client, timeouts: ReadTimeouts): Promise<Forecast | undefined> {
    if (!this.settings.backup.enabled) return undefined;
    const { restoreTestMaxAgeDays } = this.settings.backup;
    const proven = (await readNewestEvidence(client, timeouts))?.newestPassed;
    if (!proven) return undefined;
    const at = new Date(proven.finishedAt.getTime() + restoreTestMaxAgeDays * DAY_MS);
    return datedForecast('restore-test', proven.backup, {
      at,
      text: `The newest restore test counts until ${dateText(at)}.`,
    });
  }

  private async backupSpace(): Promise<BackupSpace | undefined> {
    const { enabled, directory } = this.settings.backup;
    if (!enabled) return undefined;
    const facts = await this.backups.facts(BACKUPS_MS);
    const newestBytes = valueOf(facts?.storage)?.newestBytes;
    if (newestBytes === undefined) return undefined;
    const { bavail, bsize } = await statfs(directory);
    return { directory, freeBytes: bavail * bsize, newestBytes };
  }
}

/** The certificate is known from the handshake. */
function certificateForecast(client: Client): Forecast | undefined {
  const { stream } = client.connection;
  if (!(stream instanceof TLSSocket)) return undefined;
  const at = new Date(stream.getPeerCertificate().valid_to);
  if (Number.isNaN(at.getTime())) return undefined;
  return datedForecast('certificate', client.host, {
    at,
    text: `The certificate of ${client.host} expires on ${dateText(at)}.`,
  });
}

function passwordForecast({ role, at }: NonNullable<Sampled['passwordExpiry']>): Forecast {
  const date = new Date(at);
  return datedForecast('password', role, {
    at: date,
    text: `The password of role ${role} expires on ${dateText(date)}.`,
  });
}

function dateText(at: Date): string {
  return at.toISOString().slice(0, 10);
}

function isThisMachine({ hosts }: DatabaseUrl): boolean {
  return hosts.every(({ host }) => host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host));
}

/**
 * Returns the space of the disk that the database is on, if it is a disk of this machine that pgkeep may read: a port of
 * localhost may lead elsewhere, so the files there must be those of this very server.
 */
async function diskOf(
  client: Client,
  sizeBytes: number,
  timeouts: ReadTimeouts,
): Promise<StorageSpace | undefined> {
  const { directory, identifier } = await readOne<{ directory: string | null; identifier: string }>(client, {
    sql: `SELECT (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory') AS directory,
                 system_identifier::text AS identifier
            FROM pg_catalog.pg_control_system()`,
    ...timeouts,
  });
  if (directory === null || (await identifierIn(directory)) !== identifier) return undefined;
  const { bavail, bsize, blocks } = await statfs(directory);
  return { limitBytes: sizeBytes + bavail * bsize, usedShare: 1 - bavail / blocks };
}

/** Returns the system identifier of the cluster in a directory: the first field of its control file. */
async function identifierIn(directory: string): Promise<string> {
  const file = await open(path.join(directory, 'global', 'pg_control'));
  try {
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.readBigUInt64LE().toString();
  } finally {
    await file.close();
  }
}
