import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { type RefuseOperation, requireChangeable } from '../../environment/stamp.js';
import { PolicyService } from '../../policy/policy.service.js';
import { runOnDedicatedConnection } from '../../postgres/connect.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { LedgerService, type ShippingReport } from '../ledger/ledger.service.js';
import type { ErasureState } from './erasure-state.js';
import type { CleanupOptions, CleanupReport } from './cleanup.types.js';

const DAY_MS = 86_400_000;
/** How many keys of each table a report lists. */
const KEYS = 10;
/** A statement of one transaction, or the search for what is due. */
const LONGEST_STATEMENT_MS = 3_600_000;

const refuse: RefuseOperation = (why, hint) =>
  new PgkeepError('PRIVACY_REFUSED', `Refused to clean up: ${why}. Nothing was erased.`, { hint });

/** Erases rows that were marked as deleted longer ago than the grace period. */
@Injectable()
export class CleanupService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly policy: PolicyService,
    private readonly ledger: LedgerService,
    private readonly auditLog: AuditLogService,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Deletes every due row, or anonymizes it where something that stays refers to it: 500 marked rows and what refers to
   * them in a transaction. Then copies the ledger beside the backups. What a killed cleanup left is due again.
   * @throws PgkeepError `PRIVACY_REFUSED` (nothing was erased), `SCHEMA_NOT_FOUND`, `NOT_INSTALLED`, `DATABASE_…`; what
   *   `beforeBatch` throws; `INTERRUPTED`.
   */
  async clean({
    dryRun = false,
    maxPercent = this.settings.privacy.maxPercent,
    keys = KEYS,
    actor = operator(),
    beforeBatch = async () => undefined,
    signal = new AbortController().signal,
  }: CleanupOptions = {}): Promise<CleanupReport> {
    const rules = await this.policy.rules();
    const { CleanupRun } = await import('./cleanup-run.js');
    const { database, privacy } = this.settings;
    const connection = {
      operation: 'clean up',
      applicationName: 'pgkeep privacy cleanup',
      statementTimeoutMs: LONGEST_STATEMENT_MS,
    };
    const run = await runOnDedicatedConnection(database, connection, async (client) => {
      const { environment } = this.settings;
      const { timeouts } = this.database;
      await requireChangeable(client, { environment, timeouts }, refuse);
      const options = {
        rules,
        defaultSchema: database.url.schema,
        graceDays: privacy.graceDays,
        maxPercent,
        keys,
        dryRun,
        actor,
        now: this.clock.now(),
        beforeBatch,
        signal,
      };
      return await new CleanupRun(client, options).perform();
    });
    if (dryRun) return { ...run, ledger: null, recorded: false };
    const ledger = await this.ship(signal);
    if (run.erased === 0) return { ...run, ledger, recorded: false };
    const recording = await this.auditLog.recordDone({
      action: 'cleanup',
      subject: database.url.database,
      details: {
        graceDays: run.graceDays,
        now: run.now,
        tables: run.tables.map(({ table, fate, rows }) => ({ table, fate, rows })),
        ledgerDigest: run.ledgerDigest,
      },
      actor,
    });
    return { ...run, ledger, ...recording };
  }

  /**
   * Reads how far erasure is behind.
   * @param periodMs the time between two cleanups
   * @throws PgkeepError `DATABASE_…`.
   */
  async state(periodMs: number): Promise<ErasureState> {
    const { database, privacy } = this.settings;
    const connection = { operation: 'read the erasures of', applicationName: 'pgkeep privacy' };
    const { readErasureState } = await import('./erasure-state.js');
    return await runOnDedicatedConnection(database, connection, async (client) =>
      readErasureState(client, {
        rules: await this.ledger.rules(),
        defaultSchema: database.url.schema,
        graceMs: privacy.graceDays * DAY_MS,
        periodsMs: 2 * periodMs,
      }),
    );
  }

  /** A storage that does not answer undoes no erasure: the watch of the service tries again. */
  private async ship(signal: AbortSignal): Promise<Pick<ShippingReport, 'shipped' | 'failures'>> {
    try {
      const { shipped, failures } = await this.ledger.ship({ signal });
      return { shipped, failures };
    } catch (error) {
      return { shipped: 0, failures: [{ location: 'the database', message: serverMessageOf(error) }] };
    }
  }
}
