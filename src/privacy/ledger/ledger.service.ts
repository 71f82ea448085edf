import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import type { UnreachablePlace } from '../../backup/backup.types.js';
import type { EnvironmentName, Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { PgkeepError } from '../../core/errors.js';
import { PolicyService } from '../../policy/policy.service.js';
import { runOnDedicatedConnection } from '../../postgres/connect.js';
import type { Rules } from '../../prisma-schema/rules.js';
import {
  BACKUP_STORAGE,
  type BackupStorage,
  REMOTE_STORAGES,
  type RemoteStorages,
} from '../../storage/storage.types.js';
import type { RowTable } from '../row-tables.js';
import type { LedgerObjects } from './ledger-objects.js';

/** A search for marks reads complete tables. */
const LONGEST_STATEMENT_MS = 600_000;

/** What a copy of the ledger did. */
export interface ShippingReport {
  /** `elsewhere`: another process is doing it. `none`: the database has no ledger. */
  readonly state: 'done' | 'elsewhere' | 'none';
  /** Rows whose marks were set or removed without pgkeep, and were recorded. */
  readonly found: number;
  /** Actions that now have a copy in every place. */
  readonly shipped: number;
  /** Places that did not take a copy. The next run tries again. */
  readonly failures: readonly UnreachablePlace[];
}

export interface ShippingOptions {
  /** Whether to compare every action with every place, and to look for marks of any age. Defaults to false: what is new. */
  readonly complete?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Copies the erasure ledger beside the backups: a backup that is restored brings erased rows back, and the ledger in the
 * replaced database may be lost with it.
 */
@Injectable()
export class LedgerService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    @Inject(REMOTE_STORAGES) private readonly remotes: RemoteStorages,
    private readonly policy: PolicyService,
  ) {}

  /**
   * Writes one object for each action that has no copy yet into every storage place. A place that fails is reported
   * and tried again by the next run.
   * @throws PgkeepError `DATABASE_…`, `POOLER_REFUSED`; the signal's reason.
   */
  async ship({
    complete = false,
    signal = new AbortController().signal,
  }: ShippingOptions = {}): Promise<ShippingReport> {
    const { settings } = this;
    const { shipLedger } = await import('./ship-ledger.js');
    const places = await this.places();
    const connection = {
      operation: 'copy the erasure ledger of',
      applicationName: 'pgkeep erasure ledger',
      statementTimeoutMs: LONGEST_STATEMENT_MS,
    };
    return await runOnDedicatedConnection(settings.database, connection, async (client) => {
      const tables = async (): Promise<Map<string, RowTable>> => await this.tables(client);
      return await shipLedger(client, { settings, places, tables, complete, signal });
    });
  }

  /** Returns the copies of a database's ledger in each storage place, the directory's first. */
  async places({
    database = this.settings.database.url.database,
    environment = this.settings.environment,
  }: { database?: string; environment?: EnvironmentName } = {}): Promise<LedgerObjects[]> {
    const { LedgerObjects: Objects } = await import('./ledger-objects.js');
    const { encryption } = this.settings.backup;
    return [this.storage, ...(await this.remotes())].map(
      (storage) => new Objects(storage, { database, environment, encryption }),
    );
  }

  /** Returns the declared rules; undefined where no Prisma schema is found. */
  async rules(): Promise<Rules | undefined> {
    try {
      return await this.policy.rules();
    } catch (error) {
      if (error instanceof PgkeepError && error.code === 'SCHEMA_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Returns the tables of the models by their names in the ledger; none where no Prisma schema is found. */
  async tables(client: Client): Promise<Map<string, RowTable>> {
    const rules = await this.rules();
    if (!rules) return new Map();
    const { readRowTables } = await import('../row-tables.js');
    const tables = await readRowTables(client, rules, this.settings.database.url.schema);
    return new Map(tables.map((table) => [table.name, table]));
  }
}
