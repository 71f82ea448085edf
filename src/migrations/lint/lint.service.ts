import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { MigrationsService } from '../migrations.service.js';
import { acceptEdit, listInBaseline } from './baseline.js';
import type { AcceptedEditReport, BaselineReport, LintOptions, LintRun } from './lint.types.js';

/**
 * Checks the guarded application's migrations before they are applied. Loads the rules and the parser when they are
 * first needed, because the service does not need them to start.
 */
@Injectable()
export class LintService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
  ) {}

  /**
   * Checks migrations. Reads from the database what is pending and how large the tables are, in one query each. Without
   * a database, checks every migration and assumes that every table is large.
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
   * Lists every existing migration in the baseline: each is checked again only when it changes.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or `LINT_FAILED` if the baseline cannot be written.
   */
  async writeBaseline(): Promise<BaselineReport> {
    return await listInBaseline(this.settings.migrationsDirectory);
  }

  /**
   * Records in the baseline that the change of an applied migration is accepted. The next change is not.
   * @throws PgkeepError `USAGE_INVALID` if there is no such migration, `MIGRATIONS_UNREADABLE`, or `LINT_FAILED`.
   */
  async acceptEdit(migration: string, because: string): Promise<AcceptedEditReport> {
    return await acceptEdit(this.settings.migrationsDirectory, migration, because);
  }
}
