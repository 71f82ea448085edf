import type { AlertSeverity } from '../config/alert-settings.js';

/** An alert as receivers show it. Holds no row, no literal of a statement and no secret. */
export interface NoticedAlert {
  /** The same for as long as the cause is the same: code and subject decide. */
  readonly id: string;
  readonly code: string;
  /** What it concerns: a table, a session, a job; empty if it is the database. Who can create a table chooses it. */
  readonly subject: string;
  readonly severity: AlertSeverity;
  readonly text: string;
  readonly remedy: string;
  /** Statements for a person to run; null if there are none. */
  readonly sql: string | null;
  /** ISO 8601: when it was found first. */
  readonly since: string;
  /** ISO 8601; null while it is pending. */
  readonly firedAt: string | null;
  /** ISO 8601; null while it fires. */
  readonly resolvedAt: string | null;
  /** Whom to call, from EMERGENCY_CONTACTS; null if that is not set. */
  readonly contact: string | null;
}

/** What happened to the alerts of a notice. `state`: nothing; the receiver expects all that fire, again and again. */
export type NoticeEvent = 'firing' | 'repeat' | 'resolved' | 'test' | 'state';

/** One message to one receiver. */
export interface Notice {
  /** A UUID. A message that is sent twice has the same: a receiver can drop the second. */
  readonly id: string;
  readonly event: NoticeEvent;
  readonly database: string;
  readonly environment: string;
  /** The worst first: one, or many that changed in the same moment. */
  readonly alerts: readonly [NoticedAlert, ...NoticedAlert[]];
  /** How many alerts fire after this change. */
  readonly stillFiring: number;
  /** The address of the dashboard; null if it is not set. */
  readonly link: string | null;
}

/** A receiver of alerts: the one contract, and one conformance suite, of every implementation. */
export interface Notifier {
  /** `slack`, or `slack-2` for the second one: shown, logged and stored, so it is no secret. */
  readonly name: string;
  /**
   * `changes`: each change once. `state`: everything that fires, every minute, and what was resolved lately; it groups
   * and repeats by itself.
   */
  readonly receives: 'changes' | 'state';
  /**
   * Sends a notice. `now` is when that is, by the clock that the alerts have their times from.
   * @throws DeliveryError without the address, the token or the password, which are secrets.
   */
  deliver(notice: Notice, now: Date, signal: AbortSignal): Promise<void>;
}
