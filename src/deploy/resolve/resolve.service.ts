import { Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import type { ResolveExplanation, ResolveOptions, ResolveReport } from './resolve.types.js';

/** Explains failed, rolled back and unknown migrations, and marks them by what the database contains. */
@Injectable()
export class ResolveService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
    private readonly changelog: AuditLogService,
  ) {}

  /**
   * Describes each failed, rolled back or unknown migration: the error, what was applied, the options.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or a `DATABASE_…` code.
   */
  async explain(signal?: AbortSignal): Promise<ResolveExplanation> {
    return await (await this.run(signal)).explain();
  }

  /**
   * Marks a migration as applied or rolled back through Prisma's engine: the history is as `prisma migrate resolve`
   * writes it. Runs none of its statements.
   * @throws PgkeepError `RESOLVE_REFUSED` if the history or the database contradicts: nothing was touched;
   *   `RESOLVE_FAILED`, `INTERRUPTED`, or a `DATABASE_…` code.
   */
  async resolve(options: ResolveOptions): Promise<ResolveReport> {
    return await (await this.run(options.signal)).resolve(options);
  }

  /** Loaded only here: the engine and the parser are megabytes of WebAssembly. */
  private async run(signal: AbortSignal = new AbortController().signal) {
    const { ResolveRun } = await import('./resolve-run.js');
    const { settings, migrations, changelog } = this;
    return new ResolveRun({ settings, timeouts: this.database.timeouts, migrations, changelog }, signal);
  }
}
