import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { MigrationsService } from '../migrations.service.js';
import type { AcceptedEditReport, BaselineReport, LintOptions, LintRun } from './lint.types.js';

/**
 * Judges the guarded application's migrations before anybody applies them. The rules and the parser are loaded
 * when they are first needed: a service that starts does without.
 */
@Injectable()
export class LintService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
  ) {}

  /**
   * Judges migrations: what is pending and how large the tables are it asks the database, in one query each; where
   * there is none, every migration is judged and every table taken for large.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, `LINT_FAILED` (baseline, squawk), or `USAGE_INVALID` for a path or
   * a git reference that is not there.
   */
  async lint(options: LintOptions = {}): Promise<LintRun> {
    const { runLint } = await import('./run-lint.js');
    const { settings, migrations } = this;
    const { timeouts } = this.database;
    return await runLint(options, {
      settings,
      timeouts,
      report: (client) => migrations.report(client, timeouts),
    });
  }

  /**
   * Lists every migration that is there now in the baseline: they are judged again only when they change.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or `LINT_FAILED` where it cannot be written.
   */
  async writeBaseline(): Promise<BaselineReport> {
    const { listInBaseline } = await import('./baseline.js');
    return await listInBaseline(this.settings.migrationsDirectory);
  }

  /**
   * Records in the baseline that the change of an applied migration is accepted, as its file is now.
   * @throws PgkeepError `USAGE_INVALID` where there is no such migration, `MIGRATIONS_UNREADABLE`, or `LINT_FAILED`.
   */
  async acceptEdit(migration: string, because: string): Promise<AcceptedEditReport> {
    const { acceptEdit } = await import('./baseline.js');
    return await acceptEdit(this.settings.migrationsDirectory, migration, because);
  }
}
