import type { Recording } from '../audit-log/audit-log.types.js';
import type { NoticedAlert } from '../notifiers/notifier.types.js';
import type { AlertState } from './alert.types.js';
import type { DeliveryView } from './alert-store.js';

/** An alert as the interfaces show it. Times are ISO 8601, by the database's clock. */
export interface AlertView extends NoticedAlert {
  readonly state: AlertState;
  readonly silencedUntil: string | null;
}

/** What needs a person, and the state of the messages. */
export interface AlertsReport {
  /** Firing ones first, critical before warning; then pending, then those that were resolved within two hours. */
  readonly alerts: readonly AlertView[];
  readonly deliveries: readonly DeliveryView[];
}

/** Alerts that are not sent for a while. */
export interface Silence {
  readonly id: number;
  readonly code: string;
  /** Null: every subject. */
  readonly subject: string | null;
  /** ISO 8601, by the database's clock. */
  readonly until: string;
  readonly because: string;
  readonly by: string;
  readonly at: string;
}

/** What a person asks for. */
export interface SilenceRequest {
  readonly code: string;
  /** Defaults to every subject. */
  readonly subject?: string | undefined;
  readonly seconds: number;
  readonly because: string;
  /** Who silences, for the audit log. */
  readonly actor: string;
}

/** A silence that began or ended, and the number of its entry in the audit log. */
export interface SilenceReport {
  readonly silence: Silence;
  readonly entry: number;
}

/** How a test alert to one receiver ended. */
export interface TestedReceiver {
  readonly receiver: string;
  readonly delivered: boolean;
  readonly durationMs: number;
  readonly error: string | null;
  readonly hint: string | null;
}

/** What a test alert did. */
export interface TestAlertReport extends Recording {
  readonly receivers: readonly TestedReceiver[];
}
