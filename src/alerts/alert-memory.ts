import { randomUUID } from 'node:crypto';
import { uuidOf } from './alert-ids.js';
import { DATABASE_DOWN } from './alert-rules.js';
import { DATABASE_DOWN_ID } from './alert-store.js';
import type { Alert } from './alert.types.js';
import { type Alerts, resolvedAlert } from './step.js';

/** Texts of an alert that changed are stored at most once in this time, in ms: numbers in them change with each sample. */
const TEXT_PACE_MS = 60_000;

const DATABASE_DOWN_FINDING = {
  code: DATABASE_DOWN,
  severity: 'critical',
  subject: '',
  text: '',
  remedy: '',
  sql: null,
} as const;

/** What a replica knows of the alerts, and which of it the database does not have yet. */
export class AlertMemory {
  private current: Alerts = new Map();
  /** The alerts as the database has them. */
  private stored: Alerts = new Map();
  private textsStoredAt = -Infinity;
  private isLoaded = false;

  get alerts(): Alerts {
    return this.current;
  }

  /** Whether the database's alerts are in it. */
  get isComplete(): boolean {
    return this.isLoaded;
  }

  /** Takes over what the database has. What this replica alone knows of an outage that is over stays. */
  load(alerts: readonly Alert[]): void {
    const known = this.current.get(DATABASE_DOWN_ID);
    this.stored = new Map(alerts.map((alert) => [alert.id, alert]));
    const loaded = new Map(this.stored);
    const storedDown = this.stored.get(DATABASE_DOWN_ID);
    if (!storedDown) {
      loaded.set(
        DATABASE_DOWN_ID,
        known ?? resolvedAlert(DATABASE_DOWN_ID, DATABASE_DOWN_FINDING, randomUUID()),
      );
    } else if (known && isLater(known, storedDown)) loaded.set(DATABASE_DOWN_ID, known);
    this.current = loaded;
    this.isLoaded = true;
  }

  /**
   * Begins without the database: it was down since this process started, or has no schema pgkeep.
   * @param key the same on every replica, so that their messages have the same id
   */
  beginAlone(key: string): void {
    if (this.current.size > 0) return;
    const alert = resolvedAlert(DATABASE_DOWN_ID, DATABASE_DOWN_FINDING, uuidOf(DATABASE_DOWN, key));
    this.current = new Map([[DATABASE_DOWN_ID, alert]]);
  }

  /** Keeps what a step made. */
  keep(alerts: Alerts): void {
    this.current = alerts;
  }

  /** Forgets that the database's alerts are in it: another replica leads. */
  forget(): void {
    this.isLoaded = false;
  }

  /** Returns what the database has to learn of these alerts. */
  changes(alerts: Alerts, monotonicMs: number): { readonly changed: Alert[]; readonly forgotten: string[] } {
    const withTexts = monotonicMs - this.textsStoredAt >= TEXT_PACE_MS;
    const changed = [...alerts.values()].filter((alert) => {
      const stored = this.stored.get(alert.id);
      return !stored || differ(alert, stored) || (withTexts && alert.text !== stored.text);
    });
    return { changed, forgotten: [...this.stored.keys()].filter((id) => !alerts.has(id)) };
  }

  /** Notes that the database has these changes. */
  wasStored({ changed, forgotten }: ReturnType<AlertMemory['changes']>, monotonicMs: number): void {
    const stored = new Map(this.stored);
    for (const alert of changed) stored.set(alert.id, alert);
    for (const id of forgotten) stored.delete(id);
    this.stored = stored;
    if (changed.length > 0) this.textsStoredAt = monotonicMs;
  }
}

/** Whether two states of an alert differ in more than the words. */
function differ(left: Alert, right: Alert): boolean {
  // The database orders the fields in its own way.
  const bare = (alert: Alert): string =>
    JSON.stringify(
      Object.entries({ ...alert, text: '', remedy: '', sql: null }).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  return bare(left) !== bare(right);
}

/** Whether this replica knows more of an outage than the database does. */
function isLater(known: Alert, stored: Alert): boolean {
  if (known.episode !== stored.episode) return false;
  return (
    known.state === 'firing' && (stored.state !== 'firing' || known.notifications > stored.notifications)
  );
}
