import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import type { UnreachablePlace } from '../../backup/backup.types.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { PgkeepError } from '../../core/errors.js';
import { PolicyService } from '../../policy/policy.service.js';
import { queryOne } from '../../postgres/read.js';
import { runOnDedicatedConnection } from '../../postgres/connect.js';
import { setSessionSettings } from '../../postgres/session.js';
import {
  BACKUP_STORAGE,
  type BackupStorage,
  REMOTE_STORAGES,
  type RemoteStorages,
} from '../../storage/storage.types.js';
import type { Rules } from '../../prisma-schema/rules.js';
import { readRowTables, type RowTable } from '../row-tables.js';
import { hasPolicy, recordFoundMarks } from './found-marks.js';
import { LEDGER_FORMAT, type LedgerHeader, printLine } from './ledger-entry.js';
import { LedgerObjects } from './ledger-objects.js';
import {
  hasLedger,
  markShipped,
  readActionIds,
  readActions,
  readLines,
  readSaltDigest,
} from './read-ledger.js';

/** One replica at a time copies the ledger. */
const LOCK = 'SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0)) AS taken';
/** A process that was stopped in between loses its connection, and the lock with it. */
const LONGEST_PAUSE_MS = 300_000;
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
    const connection = {
      operation: 'copy the erasure ledger of',
      applicationName: 'pgkeep erasure ledger',
      statementTimeoutMs: LONGEST_STATEMENT_MS,
    };
    return await runOnDedicatedConnection(this.settings.database, connection, async (client) => {
      if (!(await hasLedger(client))) return { state: 'none', found: 0, shipped: 0, failures: [] };
      await setSessionSettings(client, { idle_session_timeout: String(LONGEST_PAUSE_MS) });
      const { taken } = await queryOne<{ taken: boolean }>(client, LOCK, ['pgkeep erasure ledger']);
      if (!taken) return { state: 'elsewhere', found: 0, shipped: 0, failures: [] };
      const tables = await this.tables(client);
      const marked = [...tables.values()].filter(({ deletedAt }) => deletedAt !== undefined);
      const options = { complete, signal };
      const found = (await hasPolicy(client)) ? await recordFoundMarks(client, marked, options) : 0;
      return { state: 'done', found, ...(await this.copy(client, tables, options)) };
    });
  }

  /** Returns the copies of a database's ledger in each storage place, the directory's first. */
  async places({
    database = this.settings.database.url.database,
    environment = this.settings.environment,
  }: Partial<Pick<LedgerHeader, 'database'>> & Partial<Pick<Settings, 'environment'>> = {}): Promise<
    LedgerObjects[]
  > {
    const { encryption } = this.settings.backup;
    return [this.storage, ...(await this.remotes())].map(
      (storage) => new LedgerObjects(storage, { database, environment, encryption }),
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
    const tables = await readRowTables(client, rules, this.settings.database.url.schema);
    return new Map(tables.map((table) => [table.name, table]));
  }

  private async copy(
    client: Client,
    tables: ReadonlyMap<string, RowTable>,
    { complete, signal }: { complete: boolean; signal: AbortSignal },
  ): Promise<Pick<ShippingReport, 'shipped' | 'failures'>> {
    const unshipped = await readActionIds(client, { shipped: false });
    const wanted = complete ? await readActionIds(client) : unshipped;
    const failures: UnreachablePlace[] = [];
    if (wanted.length === 0) return { shipped: 0, failures };
    const salt = await readSaltDigest(client);
    for (const place of await this.places()) {
      try {
        const stored = await place.keys();
        for (const id of wanted.filter((action) => !stored.has(action))) {
          signal.throwIfAborted();
          await place.put(id, this.linesOf(client, id, { salt, tables }), signal);
        }
      } catch (error) {
        if (!(error instanceof PgkeepError) || signal.aborted) throw error;
        failures.push({ location: place.storage.location, message: error.message });
      }
    }
    if (failures.length > 0) return { shipped: 0, failures };
    await markShipped(client, unshipped);
    return { shipped: unshipped.length, failures };
  }

  private async *linesOf(
    client: Client,
    id: string,
    { salt, tables }: { salt: string; tables: ReadonlyMap<string, RowTable> },
  ): AsyncGenerator<Buffer> {
    const [action] = await readActions(client, [id]);
    if (!action) return;
    const { database } = this.settings.database.url;
    const { environment } = this.settings;
    yield Buffer.from(printLine({ format: LEDGER_FORMAT, database, environment, salt, ...action }));
    for await (const page of readLines(client, id, tables)) {
      yield Buffer.from(page.map((line) => printLine(line)).join(''));
    }
  }
}
