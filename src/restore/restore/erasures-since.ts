import type { Client } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { hasLedger } from '../../privacy/ledger/read-ledger.js';
import type { ErasureCounts } from '../../privacy/replay/plan-replay.js';
import { NO_ERASURES, type ReplayOptions } from '../../privacy/replay/replay.service.js';
import { carryHolds } from './carry-over.js';
import type { RestoreContext } from './restore.types.js';

/** Before every backup: of a dump without a manifest it is not known when it was made. */
const BEFORE_ALL = '0001-01-01T00:00:00Z';

/** Returns whose copies of the ledger concern a backup. */
export function ledgerSubject(manifest: Manifest | null): ReplayOptions['subject'] {
  return manifest ? { database: manifest.database, environment: manifest.environment } : undefined;
}

/** Returns when the rows of a backup were read: erasures from then on are not in it. */
export function readAt(manifest: Manifest | null): string {
  return manifest?.startedAt ?? BEFORE_ALL;
}

/** Erases again, in the restored database, what was erased in the replaced one since the backup. */
export class ErasuresSince {
  private readonly replayed: ErasureCounts[] = [];
  private isSameHistory = false;
  private hadLedger = false;

  /** @param notes are added to the report of the restore */
  constructor(
    private readonly context: Pick<
      RestoreContext,
      'erasures' | 'withoutErasures' | 'other' | 'source' | 'actor' | 'progress'
    >,
    private readonly notes: string[],
  ) {}

  /** What was replayed; null where the restore was asked not to. */
  get counts(): ErasureCounts | null {
    if (this.context.withoutErasures) return null;
    const sum = { ...NO_ERASURES };
    for (const counts of this.replayed) {
      sum.actions += counts.actions;
      sum.deleted += counts.deleted;
      sum.anonymized += counts.anonymized;
      sum.marked += counts.marked;
      sum.restored += counts.restored;
    }
    return sum;
  }

  /** Learns whether the backup has a ledger, before schema pgkeep of the restored database is updated. */
  async look(restored: Client): Promise<void> {
    this.hadLedger = await hasLedger(restored);
  }

  /**
   * Replays in a transaction of the restored database, while the replaced one still serves.
   * @param replaced undefined if there is none, or it cannot be read
   * @throws PgkeepError `RESTORE_REFUSED` if the erasures are not known, or one cannot be replayed; `RESTORE_FAILED`.
   */
  async replay(restored: Client, replaced: Client | undefined): Promise<void> {
    const { withoutErasures, other, erasures, progress } = this.context;
    if (withoutErasures || !(await hasLedger(restored))) return;
    progress('erasing again what was erased since the backup');
    if (replaced && other === undefined) {
      const failures = await erasures.copyFirst();
      this.notes.push(
        ...failures.map((why) => `the erasure ledger was not copied beside the backups: ${why}`),
      );
    }
    await restored.query('BEGIN');
    // A database of another subject names other people by the same keys.
    const report = await erasures.replay(restored, {
      ...this.options,
      replaced: other === undefined ? replaced : undefined,
      withPlaces: true,
    });
    await restored.query('COMMIT');
    this.isSameHistory = report.isSameHistory;
    this.replayed.push(report.erasures);
    this.notes.push(...report.notes);
  }

  /** Replays what happened since then, in the transaction of the swap: no other session is connected to either database. */
  async replayRest(restored: Client, replaced: Client): Promise<void> {
    if (!this.isSameHistory || this.context.withoutErasures) return;
    const { erasures } = this.context;
    const report = await erasures.replay(restored, { ...this.options, replaced, withPlaces: false });
    this.replayed.push(report.erasures);
    await carryHolds(replaced, restored);
  }

  private get options(): Pick<ReplayOptions, 'subject' | 'hadLedger' | 'actor'> {
    const { source, actor } = this.context;
    return { subject: ledgerSubject(source.manifest), hadLedger: this.hadLedger, actor };
  }
}
