import type { Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import { withDeadline } from '../postgres/deadline.js';
import { BackupWatch } from '../readiness/backup-watch.js';
import { DriftWatch } from '../readiness/drift-watch.js';
import { PrivacyWatch } from '../readiness/privacy-watch.js';
import { ReadinessService } from '../readiness/readiness.service.js';
import { checkLines, type CheckOptions } from './check-line.js';
import type {
  DoctorFacts,
  DoctorGroup,
  DoctorOptions,
  DoctorReport,
  Line,
  LineStatus,
} from './doctor.types.js';
import { AfterDeployment } from './groups/after-deployment.js';
import { BackupLines } from './groups/backup-lines.js';
import { BeforeCommit } from './groups/before-commit.js';
import { DatabaseLines } from './groups/database-lines.js';
import { Every90Days } from './groups/every-90-days.js';
import { MigrationLines } from './groups/migration-lines.js';

/** How long the facts that several lines rest on may take. */
const FACTS_MS = 10_000;

/** One run through the checklists. */
export class Examination {
  private readonly settings: Settings;

  private constructor(
    private readonly services: ModuleRef,
    private readonly beforeCommit: BeforeCommit,
    private readonly databaseLines: DatabaseLines,
    private readonly migrationLines: MigrationLines,
    private readonly backupLines: BackupLines,
    private readonly afterDeployment: AfterDeployment,
    private readonly every90Days: Every90Days,
  ) {
    this.settings = services.get<Settings>(SETTINGS, { strict: false });
  }

  static async open(services: ModuleRef): Promise<Examination> {
    return new Examination(
      services,
      await services.create(BeforeCommit),
      await services.create(DatabaseLines),
      await services.create(MigrationLines),
      await services.create(BackupLines),
      await services.create(AfterDeployment),
      await services.create(Every90Days),
    );
  }

  /**
   * Checks every line. What a line finds, an error included, is its result.
   * @throws the signal's reason when `options.signal` is aborted.
   */
  async run(options: DoctorOptions): Promise<DoctorReport> {
    const { signal = new AbortController().signal } = options;
    const commit = await this.commitGroup(options, signal);
    if (options.beforeCommit === true) return this.reportOf([commit]);
    const facts = await this.facts();
    const check = { signal, isReached: facts.server !== undefined };
    const beforeDeployment = [
      ...this.databaseLines.lines(options, facts),
      ...this.migrationLines.lines(),
      ...this.backupLines.lines(facts),
    ];
    return this.reportOf([
      commit,
      await group('Before deployment', beforeDeployment, check),
      await group('After deployment', this.afterDeployment.lines(facts), check),
      await group('Every 90 days', this.every90Days.lines(facts), check),
    ]);
  }

  private async commitGroup(options: DoctorOptions, signal: AbortSignal): Promise<DoctorGroup> {
    const lines = this.beforeCommit.lines(options);
    return await group('Before committing schema changes', lines, { signal, isReached: false });
  }

  /** Asks first for what the readiness checks otherwise learn in the background. */
  private async facts(): Promise<DoctorFacts> {
    const learn = async (asking: Promise<unknown>): Promise<void> => {
      await withDeadline(asking, FACTS_MS).catch(() => undefined);
    };
    const [server] = await Promise.all([
      this.server(),
      learn(this.find(BackupWatch).refresh()),
      learn(this.find(DriftWatch).refresh()),
      learn(this.find(PrivacyWatch).refresh()),
      learn(this.find(MigrationsService).requireStatus()),
    ]);
    const { verdict } = await this.find(ReadinessService).evaluate();
    return { ...server, verdict };
  }

  private async server(): Promise<Pick<DoctorFacts, 'server' | 'serverFault'>> {
    try {
      const server = await withDeadline(this.find(DatabaseService).ping(), FACTS_MS);
      return { server, serverFault: undefined };
    } catch (error) {
      const next = error instanceof PgkeepError ? error.hint : undefined;
      return { server: undefined, serverFault: { text: messageOf(error), next } };
    }
  }

  private find<T>(service: Type<T>): T {
    return this.services.get(service, { strict: false });
  }

  private reportOf(groups: readonly DoctorGroup[]): DoctorReport {
    const counts: Record<LineStatus, number> = { ok: 0, fail: 0, skip: 0 };
    for (const { status } of groups.flatMap(({ lines }) => lines)) counts[status] += 1;
    const { environment } = this.settings;
    return { verdict: counts.fail === 0 ? 'passed' : 'failed', environment, groups, counts };
  }
}

async function group(heading: string, lines: readonly Line[], options: CheckOptions): Promise<DoctorGroup> {
  return { heading, lines: await checkLines(lines, options) };
}
