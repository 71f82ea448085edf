import { Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import type { ResolveExplanation, ResolveOptions, ResolveReport } from './resolve.types.js';

/** Explains what is not settled in the migration history, and settles it by what is in the database. */
@Injectable()
export class ResolveService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
    private readonly changelog: AuditLogService,
  ) {}

  /**
   * Each migration that failed, was rolled back or is unknown here: what was said, what of it is there, what to choose.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or a `DATABASE_…` code.
   */
  async explain(signal?: AbortSignal): Promise<ResolveExplanation> {
    return await (await this.run(signal)).explain();
  }

  /**
   * Marks a migration as applied or rolled back through Prisma's engine: the history is as `prisma migrate resolve`
   * leaves it. Runs nothing of it.
   * @throws PgkeepError `RESOLVE_REFUSED` where the history or what is in the database contradicts: nothing was touched;
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
