import type { AlertSeverity } from '../config/alert-settings.js';
import type { MonitoringFinding } from '../monitoring/monitoring.types.js';
import type { NoticeEvent } from '../notifiers/notifier.types.js';

/** Something that is wrong now, whatever found it: a probe, a check of `/ready`, a job, the audit log. */
export interface AlertFinding extends MonitoringFinding {
  readonly severity: AlertSeverity;
}

/** Everything that one look found. */
export interface Found {
  readonly findings: readonly AlertFinding[];
  /** The codes that could not be looked for: their alerts stay as they are. */
  readonly unseen: ReadonlySet<string>;
}

/** `pending`: found, but not for long enough. `firing`: sent. `resolved`: over. */
export type AlertState = 'pending' | 'firing' | 'resolved';

/** One alert. Times are in ms since 1970, by the database's clock. */
export interface Alert extends AlertFinding {
  /** Made of code and subject: the same on every replica, and for as long as the cause is the same. */
  readonly id: string;
  readonly state: AlertState;
  /** When it was found first. */
  readonly since: number;
  readonly firedAt: number | null;
  readonly resolvedAt: number | null;
  /** Since when it is not found any more, while it still fires. */
  readonly clearSince: number | null;
  /** When receivers were notified last that it fires; null if they were not. */
  readonly notifiedAt: number | null;
  /** With which severity. */
  readonly notifiedSeverity: AlertSeverity | null;
  /** How many messages were sent in this episode. */
  readonly notifications: number;
  /** A UUID: which firing of this alert it is. The ids of its messages derive from it. */
  readonly episode: string;
  /** When it fired within the last hour. */
  readonly firings: readonly number[];
}

/** What receivers should be notified of. */
export interface AlertEvent {
  /** A UUID: the same on every replica that comes to the same event. */
  readonly id: string;
  readonly event: Extract<NoticeEvent, 'firing' | 'repeat' | 'resolved'>;
  readonly alert: Alert;
}

/** Alerts of a code, or of a code and a subject, that are not sent for a while. */
export interface Silencing {
  readonly code: string;
  /** Null: every subject. */
  readonly subject: string | null;
  /** In ms since 1970. */
  readonly until: number;
}
