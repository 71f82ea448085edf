import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { MonitorSample } from '../monitoring/watch/monitor-sample.js';
import { MONITOR_LEASE, MonitorWatch } from '../monitoring/watch/monitor-watch.js';
import type { Notice, Notifier } from '../notifiers/notifier.types.js';
import { openNotifiers } from '../notifiers/open-notifiers.js';
import { withDeadline } from '../postgres/deadline.js';
import { AlertMemory } from './alert-memory.js';
import { ALERT_UNDELIVERED, DATABASE_DOWN } from './alert-rules.js';
import { AlertSources } from './alert-sources.js';
import { type AlertReading, AlertStore, DATABASE_DOWN_ID, type NewDelivery } from './alert-store.js';
import type { Found, Silencing } from './alert.types.js';
import { EveryMinute } from './every-minute.js';
import { MemoryOutbox } from './memory-outbox.js';
import { type About, noticesOf, stateNotice } from './notices.js';
import { RefusedLogins } from './refused-logins.js';
import { OutboxSender, type SendingCounts } from './send-outbox.js';
import { type Alerts, step, type StepContext } from './step.js';

/** A deputy waits this long for the leader to report an outage, in ms. A replica that never reached the database, longer. */
const DEPUTY_WAIT_MS = 3 * 60_000;
const ALONE_WAIT_MS = 5 * 60_000;
/** A replica that does not lead reads the alerts once in this time, in ms. */
const FOLLOW_MS = 60_000;
const CLEAN_MS = 3_600_000;
const STOP_MS = 3000;

/**
 * Turns what each sample found into alerts and messages. The leader does; while the database is down, it does so from
 * memory, and the deputy after three minutes. Every replica keeps count, so that any of them can lead next.
 */
@Injectable()
export class AlertWatch implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Alerts');
  private readonly memory = new AlertMemory();
  private readonly unstored = new MemoryOutbox();
  private readonly everyMinute = new EveryMinute();
  private readonly sender: OutboxSender;
  private readonly stopping = new AbortController();
  private isStarted = false;
  private fence: bigint | undefined;
  /** The database's clock less the monotonic one, in ms. */
  private offsetMs: number | undefined;
  private silences: readonly Silencing[] = [];
  private followedAtMs = -Infinity;
  private cleanedAtMs = -Infinity;
  private lastFault: string | undefined;
  private sending: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly monitor: MonitorWatch,
    private readonly sources: AlertSources,
    private readonly store: AlertStore,
    private readonly refusedLogins: RefusedLogins,
  ) {
    this.sender = new OutboxSender(store);
  }

  /** Listens to every sample from now on; does nothing when called again. */
  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.monitor.onSample(async (sample) => await this.take(sample));
  }

  /** Returns the alerts that this replica knows, from memory. */
  alerts(): Alerts {
    return this.memory.alerts;
  }

  /** Returns how many messages this process has sent, by receiver. */
  counts(): SendingCounts {
    return this.sender.counts;
  }

  /** Takes what a sample found. Messages go out in the background: a receiver that hangs delays no sample. */
  async take(sample: MonitorSample): Promise<void> {
    if (this.stopping.signal.aborted) return;
    if (sample.down || sample.fence === null) return await this.takeAlone(sample);
    // Each replica has its own: the audit log brings them to the leader.
    await this.refusedLogins.recordMany();
    try {
      if (sample.role === 'leader') await this.lead(sample, sample.fence);
      else await this.follow();
      this.lastFault = undefined;
    } catch (error) {
      this.logFault(`Alerts cannot be stored: ${messageOf(error)}`);
      await this.takeAlone(sample);
    }
  }

  /** Waits until the messages of the last sample were tried. */
  async settled(): Promise<void> {
    await this.sending;
  }

  /** Ends what is under way. What was not sent is sent by the next leader. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await withDeadline(this.settled(), STOP_MS).catch(() => undefined);
  }

  /** Makes one step, and writes it with its messages in one statement. @throws what the database answers. */
  private async lead(sample: MonitorSample, fence: bigint): Promise<void> {
    if (fence !== this.fence) this.memory.forget();
    const reading = await this.read({ withAlerts: !this.memory.isComplete });
    const found = await this.sources.find(sample, reading.undelivered, this.moment());
    const { alerts, events } = step(this.memory.alerts, found, this.contextAt(reading.now));
    const notifiers = openNotifiers(this.settings.alerts);
    const notices = noticesOf(events, alerts, this.about(sample));
    const changes = this.memory.changes(alerts, this.clock.monotonicMs());
    const deliveries = [...this.unstored.all(), ...deliveriesOf(notices, notifiers)];
    if (changes.changed.length + changes.forgotten.length + deliveries.length > 0) {
      const held = await this.store.commit(MONITOR_LEASE, fence, { ...changes, deliveries });
      // Another replica leads by now, and finds the same.
      if (!held) return this.memory.forget();
      this.memory.wasStored(changes, this.clock.monotonicMs());
    }
    this.unstored.clear();
    this.memory.keep(alerts);
    this.fence = fence;
    this.inBackground(async () => await this.sender.run(notifiers, () => this.now(), this.stopping.signal));
    this.sendEveryMinute(sample, notifiers, { isChanged: notices.length > 0, beats: true });
    await this.cleanIfDue();
  }

  /** Reads the alerts now and then, so that this replica can lead, or report an outage under the same ids. */
  private async follow(): Promise<void> {
    this.fence = undefined;
    // The leader has reported an outage that is over, or will.
    this.unstored.clear();
    const monotonicMs = this.clock.monotonicMs();
    if (monotonicMs - this.followedAtMs < FOLLOW_MS) return;
    await this.read({ withAlerts: true });
    this.memory.forget();
    this.followedAtMs = monotonicMs;
  }

  /** Makes one step in memory: the database is down, or keeps no records. */
  private async takeAlone(sample: MonitorSample): Promise<void> {
    if (sample.role !== 'leader' && !sample.down) return;
    const now = this.now();
    const hour = Math.floor((sample.down?.since ?? now).getTime() / 3_600_000);
    this.memory.beginAlone(`${this.about(sample).database} ${this.settings.environment} ${hour}`);
    const found = sample.down ? downOnly(sample) : await this.sources.find(sample, [], this.moment());
    const { alerts, events } = step(this.memory.alerts, found, this.contextAt(now.getTime()));
    this.memory.keep(alerts);
    const waitMs = this.waitMs(sample);
    if (waitMs === undefined) return;
    const notifiers = openNotifiers(this.settings.alerts);
    const notices = noticesOf(events, alerts, this.about(sample));
    const receivers = notifiers.filter(({ receives }) => receives === 'changes').map(({ name }) => name);
    const down = alerts.get(DATABASE_DOWN_ID);
    const begins = waitMs === 0 ? now.getTime() : (down?.since ?? now.getTime()) + waitMs;
    this.unstored.add(notices, receivers, { now: now.getTime(), notBefore: begins });
    this.inBackground(async () => await this.unstored.run(notifiers, now.getTime(), this.stopping.signal));
    if (now.getTime() < begins) return;
    const wasReported =
      (down?.notifiedAt ?? null) !== null && (receivers.length === 0 || this.unstored.hasSent);
    this.sendEveryMinute(sample, notifiers, {
      isChanged: notices.length > 0,
      beats: !sample.down || wasReported,
    });
  }

  /** Returns how long this replica waits before it reports by itself, in ms; undefined if it does not. */
  private waitMs({ role, fence, down }: MonitorSample): number | undefined {
    if (role === 'leader') return 0;
    // Without contact since the start it is not known whether there is a leader.
    if (fence === null && down) return ALONE_WAIT_MS;
    return role === 'deputy' && down ? DEPUTY_WAIT_MS : undefined;
  }

  private sendEveryMinute(
    sample: MonitorSample,
    notifiers: readonly Notifier[],
    { isChanged, beats }: { readonly isChanged: boolean; readonly beats: boolean },
  ): void {
    const { monotonicMs, now } = this.moment();
    const stop = this.stopping.signal;
    const notice = (): Notice | undefined =>
      stateNotice(this.memory.alerts, this.about(sample), now.getTime());
    this.inBackground(async () => {
      await this.everyMinute.sendStates(notifiers, notice, { isChanged, monotonicMs, now, stop });
    });
    if (!beats) return;
    const { heartbeat } = this.settings.alerts;
    this.inBackground(async () => await this.everyMinute.beat(heartbeat, { monotonicMs, stop }));
  }

  private async cleanIfDue(): Promise<void> {
    const monotonicMs = this.clock.monotonicMs();
    if (monotonicMs - this.cleanedAtMs < CLEAN_MS) return;
    this.cleanedAtMs = monotonicMs;
    await this.store.clean();
  }

  private inBackground(work: () => Promise<void>): void {
    this.sending = Promise.all([this.sending, work()]).catch((error: unknown) =>
      this.logFault(messageOf(error)),
    );
  }

  private contextAt(now: number): StepContext {
    const { minSeverity, repeatHours } = this.settings.alerts;
    return { now, silences: this.silences, rules: { minSeverity, repeatMs: repeatHours * 3_600_000 } };
  }

  private about(sample: MonitorSample): About {
    return {
      database: sample.report?.database ?? this.settings.database.url.database,
      environment: this.settings.environment,
      link: this.settings.dashboard.publicUrl ?? null,
      contacts: this.settings.alerts.contacts,
    };
  }

  private async read(what: { readonly withAlerts: boolean }): Promise<AlertReading> {
    const reading = await this.store.read(what);
    this.offsetMs = reading.now - this.clock.monotonicMs();
    this.silences = reading.silences;
    if (reading.alerts) this.memory.load(reading.alerts);
    return reading;
  }

  private moment(): { readonly now: Date; readonly monotonicMs: number } {
    return { now: this.now(), monotonicMs: this.clock.monotonicMs() };
  }

  /** Returns the time by the database's clock, or by this machine's where the database was never reached. */
  private now(): Date {
    if (this.offsetMs === undefined) return this.clock.now();
    return new Date(this.offsetMs + this.clock.monotonicMs());
  }

  /** Logs a fault once, until it is another one. */
  private logFault(text: string): void {
    if (text === this.lastFault || this.stopping.signal.aborted) return;
    this.lastFault = text;
    this.logger.warn(text);
  }
}

/** While the database is down, nothing else is known. */
function downOnly({ findings }: MonitorSample): Found {
  const down = findings.filter(({ code }) => code === DATABASE_DOWN);
  return {
    findings: down.map(({ code, subject, text, remedy, sql }) => ({
      code,
      subject,
      text,
      remedy,
      sql,
      severity: 'critical',
    })),
    unseen: new Set(),
  };
}

/** Returns the rows of the outbox for messages. A receiver that takes nothing is not sent a message about that. */
function deliveriesOf(notices: readonly Notice[], notifiers: readonly Notifier[]): NewDelivery[] {
  return notices.flatMap((notice) =>
    notifiers
      .filter(({ receives, name }) => receives === 'changes' && !isAbout(notice, name))
      .map(({ name }) => ({
        id: notice.id,
        receiver: name,
        notice,
        state: 'due',
        attempts: 0,
        lastError: null,
      })),
  );
}

function isAbout({ alerts }: Notice, receiver: string): boolean {
  return alerts.every(({ code, subject }) => code === ALERT_UNDELIVERED && subject === receiver);
}
