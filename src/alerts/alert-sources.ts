import { Injectable, Logger } from '@nestjs/common';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { messageOf } from '../core/errors.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import type { MonitorSample } from '../monitoring/watch/monitor-sample.js';
import { PROBES } from '../monitoring/probes.js';
import { DriftWatch } from '../readiness/drift-watch.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import type { UndeliveredTo } from './alert-store.js';
import type { AlertFinding, Found } from './alert.types.js';
import type { AlertSource } from './sources/alert-source.js';
import {
  ALERTED_ACTIONS,
  ALERTED_HOURS,
  AUDIT_LOG_CODES,
  auditLogFindings,
} from './sources/audit-log-findings.js';
import { DELIVERY_CODES, deliveryFindings } from './sources/delivery-findings.js';
import { DRIFT_CODES, driftFindings } from './sources/drift-findings.js';
import { JOB_CODES, jobFindings } from './sources/job-findings.js';
import { readinessFindings } from './sources/readiness-findings.js';
import { RESTORE_TEST_CODES, restoreTestFindings } from './sources/restore-test-findings.js';

/** What a source found, and when it looked. */
interface Looked {
  readonly atMs: number;
  readonly findings: readonly AlertFinding[];
  /** Whether it could not look: its alerts stay as they are. */
  readonly isUnseen: boolean;
}

/** Sources that ask the database are asked once in this time, in ms. */
const PACE_MS = 60_000;

/** Gathers what needs a person: from the probes, and from everything beside them. */
@Injectable()
export class AlertSources {
  private readonly logger = new Logger('Alerts');
  private readonly looked = new Map<AlertSource, Looked>();

  /** The sources that ask the database. */
  private readonly paced: readonly AlertSource[];

  constructor(
    private readonly readiness: ReadinessMonitor,
    private readonly drift: DriftWatch,
    maintenance: MaintenanceService,
    auditLog: AuditLogService,
  ) {
    this.paced = [
      {
        name: 'jobs',
        codes: JOB_CODES,
        find: async (now) => jobFindings(await maintenance.overview(), now),
      },
      {
        name: 'audit log',
        codes: AUDIT_LOG_CODES,
        find: async () => auditLogFindings(await auditLog.recent(ALERTED_ACTIONS, ALERTED_HOURS)),
      },
    ];
  }

  /**
   * Returns everything that is wrong now.
   * @param now by the database's clock
   * @param monotonicMs for the pace of what asks the database
   */
  async find(
    sample: MonitorSample,
    undelivered: readonly UndeliveredTo[],
    { now, monotonicMs }: { readonly now: Date; readonly monotonicMs: number },
  ): Promise<Found> {
    const looked = sample.down ? [] : await this.look(now, monotonicMs);
    const findings = [
      ...sample.findings.flatMap((finding) => alertFindingOf(finding)),
      ...readinessFindings(await this.readiness.verdict()),
      ...driftFindings(this.drift.facts()),
      ...restoreTestFindings(this.readiness.learned()?.restoreTests?.value),
      ...looked.flatMap(([, one]) => one.findings),
      ...deliveryFindings(undelivered),
    ];
    const unseenProbes = new Set(sample.report?.unseen.map(({ probe }) => probe));
    const unseen = [
      ...PROBES.filter(({ name }) => unseenProbes.has(name)).flatMap(({ codes }) => Object.keys(codes)),
      ...looked.flatMap(([source, { isUnseen }]) => (isUnseen ? Object.keys(source.codes) : [])),
    ];
    return { findings, unseen: new Set(unseen) };
  }

  private async look(now: Date, monotonicMs: number): Promise<[AlertSource, Looked][]> {
    const all: [AlertSource, Looked][] = [];
    for (const source of this.paced) {
      const before = this.looked.get(source);
      const isDue = !before || monotonicMs - before.atMs >= PACE_MS;
      const looked = isDue ? await this.lookAt(source, now, { atMs: monotonicMs, before }) : before;
      this.looked.set(source, looked);
      all.push([source, looked]);
    }
    return all;
  }

  private async lookAt(
    source: AlertSource,
    now: Date,
    { atMs, before }: { readonly atMs: number; readonly before: Looked | undefined },
  ): Promise<Looked> {
    try {
      return { atMs, findings: await source.find(now), isUnseen: false };
    } catch (error) {
      if (!before?.isUnseen)
        this.logger.warn(`Alerts about ${source.name} are not known: ${messageOf(error)}`);
      return { atMs, findings: [], isUnseen: true };
    }
  }
}

/** Every code of the sources beside the probes and the checks of `/ready`. docs/alerts.md is derived from it. */
export const SOURCE_CODES = {
  ...JOB_CODES,
  ...RESTORE_TEST_CODES,
  ...DRIFT_CODES,
  ...AUDIT_LOG_CODES,
  ...DELIVERY_CODES,
} as const;

/** Returns a finding of a probe as an alert; `info` needs nothing. */
function alertFindingOf(finding: MonitorSample['findings'][number]): AlertFinding[] {
  const { code, severity, subject, text, remedy, sql } = finding;
  return severity === 'info' ? [] : [{ code, severity, subject, text, remedy, sql }];
}
