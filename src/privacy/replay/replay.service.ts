import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { appendPlan, operator } from '../../audit-log/append.js';
import type { EnvironmentName, Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { type RefuseOperation, requireChangeable } from '../../environment/stamp.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { queryOne } from '../../postgres/read.js';
import { runOnDedicatedConnection, withConnection } from '../../postgres/connect.js';
import type { LedgerEntry } from '../ledger/ledger-entry.js';
import { LedgerService } from '../ledger/ledger.service.js';
import type { Missing } from './find-missing.js';
import type { ErasureCounts, ErasuresSince } from './plan-replay.js';

/** A replay is one statement for each table. */
const LONGEST_STATEMENT_MS = 3_600_000;

/** Nothing was replayed. */
export const NO_ERASURES: ErasureCounts = { actions: 0, deleted: 0, anonymized: 0, marked: 0, restored: 0 };

/** Which erasures concern a database. */
export interface ReplayOptions {
  /** The database that a restore replaces, or one that it replaced; undefined if there is none, or it cannot be read. */
  readonly replaced?: Client | undefined;
  /** Whose copies are read: the database and the environment that was backed up. Defaults to those of the settings. */
  readonly subject?: { readonly database: string; readonly environment: EnvironmentName } | undefined;
  /** Whether the ledger, and with it the salt, came with the backup. */
  readonly hadLedger: boolean;
  /** Whether the copies beside the backups are read; otherwise only the replaced database is. */
  readonly withPlaces: boolean;
  readonly acceptedSalt?: string | undefined;
  readonly actor: string;
  /** Completes "Refused to …". Defaults to `restore`. */
  readonly operation?: string;
}

/** How a database that is in use repeats erasures. */
export interface ReplayHereOptions {
  /** Another database of the server whose ledger is read as well: one that a restore replaced. */
  readonly from?: string | undefined;
  readonly acceptedSalt?: string | undefined;
  readonly actor?: string;
}

/** What a replay did. */
export interface ReplayReport {
  /** Rows that were there and were changed. */
  readonly erasures: ErasureCounts;
  readonly notes: readonly string[];
  /** Whether what is new in the replaced database concerns this one, too. */
  readonly isSameHistory: boolean;
}

/** Erases again what was erased since a backup: a restore brings every row of the backup back. */
@Injectable()
export class ReplayService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly ledger: LedgerService,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Does to a restored database what was done since the backup to the one that it replaces, in the transaction that the
   * caller has open, and copies the actions into its ledger.
   * @throws PgkeepError `RESTORE_REFUSED` if the erasures are not known, or one cannot be replayed; `RESTORE_FAILED`.
   */
  async replay(restored: Client, options: ReplayOptions): Promise<ReplayReport> {
    const missing = await this.missing(restored, options);
    await this.takeSalt(restored, missing, options.replaced);
    const { notes, isSameHistory } = missing;
    if (missing.entries.length === 0) return { erasures: NO_ERASURES, notes, isSameHistory };
    const { schema: defaultSchema } = this.settings.database.url;
    const { actor } = options;
    try {
      const [{ replayErasures }, rules] = await Promise.all([
        import('./replay-erasures.js'),
        this.ledger.rules(),
      ]);
      const erasures = await replayErasures(restored, missing.entries, { rules, defaultSchema, actor });
      return { erasures, notes, isSameHistory };
    } catch (error) {
      if (error instanceof PgkeepError) throw error;
      throw new PgkeepError(
        'RESTORE_FAILED',
        `Cannot replay the erasures since the backup: ${serverMessageOf(error)}. Nothing was changed.`,
        {
          hint: 'Restore with `--without-erasures`, fix what the message reports, then run `pgkeep privacy replay`.',
          cause: error,
        },
      );
    }
  }

  /**
   * Records and copies what is new in the database of the settings, before it is replaced. A failure stops nothing: what
   * has no copy yet is read from the database.
   * @returns why it was not copied.
   */
  async copyFirst(): Promise<string[]> {
    try {
      return (await this.ledger.ship()).failures.map(({ message }) => message);
    } catch (error) {
      return [serverMessageOf(error)];
    }
  }

  /**
   * Repeats in the database in use what its ledger lacks: after a restore without the erasures.
   * @throws PgkeepError `RESTORE_REFUSED`, `RESTORE_FAILED` (nothing was changed), `NOT_INSTALLED`, `DATABASE_…`.
   */
  async replayHere({
    from,
    acceptedSalt,
    actor = operator(),
  }: ReplayHereOptions = {}): Promise<ReplayReport> {
    const { database } = this.settings;
    const connection = {
      operation: 'replay the erasures in',
      applicationName: 'pgkeep privacy replay',
      statementTimeoutMs: LONGEST_STATEMENT_MS,
    };
    const replaying = async (client: Client, replaced: Client | undefined): Promise<ReplayReport> => {
      const operation = 'replay the erasures';
      const { environment } = this.settings;
      const { timeouts } = this.database;
      await requireChangeable(client, { environment, timeouts }, refuseHere);
      const { hasLedger } = await import('../ledger/read-ledger.js');
      if (!(await hasLedger(client))) throw notInstalled();
      await client.query('BEGIN');
      const report = await this.replay(client, {
        replaced,
        hadLedger: true,
        withPlaces: true,
        acceptedSalt,
        actor,
        operation,
      });
      const { sql, values } = appendPlan({
        action: 'replay',
        subject: database.url.database,
        details: { erasures: { ...report.erasures }, from: from ?? null },
        actor,
      });
      await client.query(sql, [...values]);
      await client.query('COMMIT');
      return report;
    };
    return await runOnDedicatedConnection(database, connection, async (client) => {
      if (from === undefined) return await replaying(client, undefined);
      const options = {
        connectTimeoutMs: database.connectTimeoutMs,
        answerTimeoutMs: LONGEST_STATEMENT_MS,
        applicationName: connection.applicationName,
      };
      return await withConnection({ ...database.url, database: from }, options, (replaced) =>
        replaying(client, replaced),
      );
    });
  }

  /**
   * Returns what was erased since a time, by the ledger of a database and the copies beside the backups.
   * @throws PgkeepError `RESTORE_REFUSED` if neither can be read.
   */
  async since(
    time: string,
    { database, subject }: { database: Client | undefined; subject?: ReplayOptions['subject'] },
  ): Promise<LedgerEntry[]> {
    const { findSince } = await import('./find-missing.js');
    return await findSince(time, {
      database,
      tables: database ? await this.ledger.tables(database) : new Map(),
      places: await this.ledger.places(subject),
    });
  }

  /** Returns whether any place has copies. A place that cannot be read has none here: the replay reports it. */
  async hasCopies(subject: ReplayOptions['subject']): Promise<boolean> {
    for (const place of await this.ledger.places(subject)) {
      const keys = await place.keys().catch(() => new Map<string, string>());
      if (keys.size > 0) return true;
    }
    return false;
  }

  /** Returns how many rows and people that concerns. @throws PgkeepError as `since`. */
  async countSince(...asked: Parameters<ReplayService['since']>): Promise<ErasuresSince> {
    const { countErasures } = await import('./plan-replay.js');
    const [, { database }] = asked;
    const tables = database ? [...(await this.ledger.tables(database)).values()] : [];
    const subjects = tables.filter(({ rules }) => rules?.isSubject === true).map(({ name }) => name);
    return countErasures(await this.since(...asked), tables.length === 0 ? undefined : new Set(subjects));
  }

  private async missing(restored: Client, options: ReplayOptions): Promise<Missing> {
    const { replaced, hadLedger, withPlaces, subject, acceptedSalt } = options;
    const { findMissing } = await import('./find-missing.js');
    return await findMissing(
      restored,
      { hadLedger },
      {
        database: replaced,
        tables: replaced ? await this.ledger.tables(replaced) : new Map(),
        places: withPlaces ? await this.ledger.places(subject) : [],
        acceptedSalt,
        operation: options.operation ?? 'restore',
      },
    );
  }

  /** Values and keys that are made of the salt become the same only with the same salt. */
  private async takeSalt(
    restored: Client,
    { salt, entries }: Missing,
    replaced: Client | undefined,
  ): Promise<void> {
    const { hasLedger, readSaltDigest } = await import('../ledger/read-ledger.js');
    if ((await readSaltDigest(restored)) === salt) return;
    if (replaced && (await hasLedger(replaced)) && (await readSaltDigest(replaced)) === salt) {
      const { value } = await queryOne<{ value: string }>(
        replaced,
        `SELECT pg_catalog.encode(salt, 'hex') AS value FROM pgkeep.privacy_salt`,
      );
      await restored.query(`UPDATE pgkeep.privacy_salt SET salt = pg_catalog.decode($1, 'hex')`, [value]);
      return;
    }
    const hashed = entries.flatMap(({ lines }) => lines).find(({ key }) => key.includes('{"sha256": '));
    if (!hashed) return;
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to replay the erasures since the backup: keys of ${hashed.table} are hashed with a salt that the backup does not contain. Nothing was changed.`,
      { hint: 'Restore a backup that was made after `pgkeep policy apply`, or use `--without-erasures`.' },
    );
  }
}

const refuseHere: RefuseOperation = (why, hint) =>
  new PgkeepError('RESTORE_REFUSED', `Refused to replay the erasures: ${why}. Nothing was changed.`, {
    hint,
  });

function notInstalled(): PgkeepError {
  return new PgkeepError(
    'NOT_INSTALLED',
    'Cannot replay the erasures: the database has no table pgkeep.privacy_action.',
    { hint: 'Run `pgkeep install`.' },
  );
}
