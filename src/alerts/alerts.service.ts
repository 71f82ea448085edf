import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { closest } from 'fastest-levenshtein';
import { appendPlan } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import type { Action } from '../audit-log/audit-log.types.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { MONITORING_CODES } from '../monitoring/probes.js';
import { beat } from '../notifiers/heartbeat.js';
import type { Notice, Notifier } from '../notifiers/notifier.types.js';
import { openNotifiers } from '../notifiers/open-notifiers.js';
import { withDatabaseErrors } from '../postgres/connect.js';
import { queryOne } from '../postgres/read.js';
import { SOURCE_CODES } from './alert-sources.js';
import { CHECK_CODES } from '../readiness/checks.js';
import { ADD_SILENCE, END_SILENCE, SILENCES } from './alert-statements.js';
import { AlertStore } from './alert-store.js';
import type {
  AlertsReport,
  AlertView,
  Silence,
  SilenceReport,
  SilenceRequest,
  TestAlertReport,
  TestedReceiver,
} from './alerts.types.js';
import type { Alert } from './alert.types.js';
import { noticedAlert } from './notices.js';
import { type Sending, sendNotice } from './send-notice.js';
import { silencedUntil, type StepContext } from './step.js';

interface SilenceRow {
  readonly id: number;
  readonly code: string;
  readonly subject: string | null;
  readonly until: Date;
  readonly because: string;
  readonly silenced_by: string;
  readonly silenced_at: Date;
}

/** A silence of more than a month is a finding to fix, or DB_MONITORING_IGNORE. */
const LONGEST_SILENCE_S = 31 * 86_400;

/** What the interfaces ask of alerts: list them, silence them, and test the receivers. */
@Injectable()
export class AlertsService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly store: AlertStore,
    private readonly auditLog: AuditLogService,
  ) {}

  /** Returns every alert and the state of the messages. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async list(): Promise<AlertsReport> {
    return await this.asking('read the alerts', async () => {
      const { alerts, ...context } = await this.store.read({ withAlerts: true });
      const shown = (alerts ?? []).filter(({ state, firedAt }) => state !== 'resolved' || firedAt !== null);
      return {
        alerts: shown.toSorted(byUrgency).map((alert) => this.viewOf(alert, context)),
        deliveries: await this.store.deliveries(),
      };
    });
  }

  /**
   * Sends a test to every receiver, and to the heartbeat, without storing it.
   * @param actor who tests, for the audit log
   * @throws PgkeepError `USAGE_INVALID` where no receiver is configured.
   */
  async test(actor: string, signal: AbortSignal = new AbortController().signal): Promise<TestAlertReport> {
    const { alerts, database } = this.settings;
    const notifiers = openNotifiers(alerts);
    if (notifiers.length === 0 && !alerts.heartbeat) {
      throw new PgkeepError('USAGE_INVALID', 'There is no receiver of alerts to test.', {
        hint: 'Set ALERT_WEBHOOKS, ALERT_SMTP_URL, ALERT_ALERTMANAGER_URLS or ALERT_HEARTBEAT_URL: docs/alerts.md describes them.',
      });
    }
    const receivers = await Promise.all([
      ...notifiers.map(async (notifier) => await this.testOne(notifier, signal)),
      ...(alerts.heartbeat ? [this.testHeartbeat(alerts.heartbeat, signal)] : []),
    ]);
    const recording = await this.auditLog.recordDone({
      action: 'test-alert',
      subject: database.url.database,
      details: { receivers: receivers.map(({ receiver, delivered }) => ({ receiver, delivered })) },
      actor,
    });
    return { receivers, ...recording };
  }

  /** Silences alerts for a while, with an entry in the audit log. @throws PgkeepError `USAGE_INVALID`, `NOT_INSTALLED`, `DATABASE_…`. */
  async silence({ code, subject, seconds, because, actor }: SilenceRequest): Promise<SilenceReport> {
    await this.requireCode(code);
    if (because.trim() === '') {
      throw new PgkeepError('USAGE_INVALID', 'A silence needs a reason.', { hint: 'Add --because TEXT.' });
    }
    if (!(seconds > 0 && seconds <= LONGEST_SILENCE_S)) {
      throw new PgkeepError('USAGE_INVALID', 'A silence lasts from 1 second to 31 days.', {
        hint: 'Fix the cause, or name the finding in DB_MONITORING_IGNORE.',
      });
    }
    const values = [code, subject ?? null, seconds, because.trim(), actor];
    return await this.change('silence', ADD_SILENCE, values, actor);
  }

  /** Returns the silences in force, the one that ends first first. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async silences(): Promise<Silence[]> {
    return await this.asking('read the silences', async () => {
      const rows = await this.store.rows<SilenceRow>(SILENCES);
      return rows.map(toSilence);
    });
  }

  /** Ends a silence, with an entry in the audit log. @throws PgkeepError `RECORD_NOT_FOUND`, `NOT_INSTALLED`, `DATABASE_…`. */
  async unsilence(id: number, actor: string): Promise<SilenceReport> {
    return await this.change('unsilence', END_SILENCE, [id], actor);
  }

  /** Refuses a code that no alert has: a misspelled silence would do nothing. An application's checks have their own codes. */
  private async requireCode(code: string): Promise<void> {
    if (ALERT_CODES.has(code)) return;
    const { alerts } = await this.asking(
      'read the alerts',
      async () => await this.store.read({ withAlerts: true }),
    );
    if (alerts?.some((alert) => alert.code === code)) return;
    throw new PgkeepError('USAGE_INVALID', `No alert has the code "${code}".`, {
      hint: `Did you mean ${closest(code, [...ALERT_CODES])}? \`pgkeep monitor\` shows the code of each finding.`,
    });
  }

  /** Changes a silence and records it, both or neither. */
  private async change(
    action: Extract<Action, 'silence' | 'unsilence'>,
    sql: string,
    values: readonly unknown[],
    actor: string,
  ): Promise<SilenceReport> {
    return await this.asking(`${action} alerts`, async () => {
      let entry = 0;
      const [row] = await this.store.rows<SilenceRow>(sql, values, async (client, [changed]) => {
        if (!changed) return;
        const { id, code, subject, until, because } = toSilence(changed);
        const details = { id, until, because };
        const plan = appendPlan({ action, subject: nameOf({ code, subject }), details, actor });
        const added = await queryOne<{ seq: string }>(client, `${plan.sql} RETURNING seq`, plan.values);
        entry = Number(added.seq);
      });
      if (row) return { silence: toSilence(row), entry };
      throw new PgkeepError('RECORD_NOT_FOUND', `There is no silence ${String(values[0])} in force.`, {
        hint: '`pgkeep monitor silences` lists them.',
      });
    });
  }

  private viewOf(alert: Alert, context: Pick<StepContext, 'silences' | 'now'>): AlertView {
    const until = silencedUntil(alert, context);
    return {
      ...noticedAlert(alert, this.settings.alerts),
      state: alert.state,
      silencedUntil: until === undefined ? null : new Date(until).toISOString(),
    };
  }

  private async testOne(notifier: Notifier, signal: AbortSignal): Promise<TestedReceiver> {
    const now = this.clock.now();
    const notice = this.testNotice(now);
    const sending = await sendNotice(notifier, notice, now, signal);
    if (sending.isSent && notifier.receives === 'state') {
      const [alert] = notice.alerts;
      const ended = {
        ...notice,
        alerts: [{ ...alert, resolvedAt: this.clock.now().toISOString() }],
      } as const;
      return tested(notifier.name, await sendNotice(notifier, ended, now, signal));
    }
    return tested(notifier.name, sending);
  }

  private async testHeartbeat(
    receiver: Parameters<typeof beat>[0],
    signal: AbortSignal,
  ): Promise<TestedReceiver> {
    const heartbeat: Notifier = {
      name: 'heartbeat',
      receives: 'state',
      deliver: async (_notice, _now, stop) => await beat(receiver, stop),
    };
    const now = this.clock.now();
    return tested('heartbeat', await sendNotice(heartbeat, this.testNotice(now), now, signal));
  }

  private testNotice(now: Date): Notice {
    const { alerts, database, environment } = this.settings;
    const at = now.toISOString();
    return {
      id: randomUUID(),
      event: 'test',
      database: database.url.database,
      environment,
      alerts: [
        {
          id: 'test',
          code: 'TEST',
          subject: '',
          severity: 'warning',
          text: 'this receiver gets the alerts of pgkeep. Nothing is wrong.',
          remedy: 'Nothing needs to be done.',
          sql: null,
          since: at,
          firedAt: at,
          resolvedAt: null,
          contact: alerts.contacts[0]?.contact ?? null,
        },
      ],
      stillFiring: 0,
      link: this.settings.dashboard.publicUrl ?? null,
    };
  }

  private async asking<T>(operation: string, work: () => Promise<T>): Promise<T> {
    return await withDatabaseErrors(operation, async () => {
      try {
        return await work();
      } catch (error) {
        if (!/^(42P01|3F000)$/.test(errorCode(error) ?? '')) throw error;
        throw new PgkeepError(
          'NOT_INSTALLED',
          `Cannot ${operation}: the database has no table pgkeep.alert.`,
          { hint: 'Run `pgkeep install`.', cause: error },
        );
      }
    });
  }
}

/** Returns `CODE` or `CODE:SUBJECT`. */
export function nameOf({ code, subject }: Pick<Silence, 'code' | 'subject'>): string {
  return subject === null ? code : `${code}:${subject}`;
}

/** Every code that alerts of pgkeep can have. */
const ALERT_CODES: ReadonlySet<string> = new Set([
  ...MONITORING_CODES,
  ...CHECK_CODES,
  ...Object.keys(SOURCE_CODES),
]);

function tested(receiver: string, sending: Sending): TestedReceiver {
  const { isSent: delivered, durationMs } = sending;
  return {
    receiver,
    delivered,
    durationMs,
    error: sending.isSent ? null : sending.error,
    hint: sending.isSent ? null : (sending.hint ?? null),
  };
}

function toSilence({
  id,
  code,
  subject,
  until,
  because,
  silenced_by: by,
  silenced_at: at,
}: SilenceRow): Silence {
  return { id, code, subject, until: until.toISOString(), because, by, at: at.toISOString() };
}

const STATES = ['firing', 'pending', 'resolved'];

function byUrgency(left: Alert, right: Alert): number {
  const rank = ({ state, severity }: Alert): number =>
    STATES.indexOf(state) * 2 + (severity === 'critical' ? 0 : 1);
  return rank(left) - rank(right) || right.since - left.since;
}
