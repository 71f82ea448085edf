import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { operator } from '../audit-log/append.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import { externalsOf } from '../config/prisma-project.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { isBeingDeployed } from '../migrations/history/prisma-history.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { findPrismaSchema } from '../migrations/prisma-config/find-prisma-schema.js';
import { type Unenforced, UNENFORCED_QUERY } from '../postgres/catalogue/unenforced.js';
import { runOnPool } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { hasFingerprint, hasFingerprints, lookForDrift } from './compare-structure.js';
import type {
  AcceptReport,
  DriftedObject,
  DriftLook,
  DriftReport,
  FingerprintAction,
  Fingerprinting,
} from './drift.types.js';
import { inStructureTransaction } from './fingerprint-sql.js';
import { missingGrants, prismaComparisonObstacle } from './missing-rights.js';
import { recordFingerprint, requireAcceptable, requireWritable, summaryOf } from './record-fingerprint.js';

/** Compares the database's structure with the expected one, and records it: finds changes made outside of migrations. */
@Injectable()
export class DriftService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
  ) {}

  /**
   * Compares the structure with what the last action recorded.
   * @param previous an earlier look, which is reused if nothing has changed since
   * @throws PgkeepError a `DATABASE_…` code.
   */
  async look(previous?: DriftLook): Promise<DriftLook> {
    return await this.onPool('look for drift in', (client) =>
      lookForDrift(client, { ...this.lookOptions, previous }),
    );
  }

  /**
   * Reads what the database has and does not use or enforce: invalid indexes, constraints that are not validated.
   * @returns undefined while migrations are being applied, which would explain them
   * @throws PgkeepError a `DATABASE_…` code.
   */
  async unenforced(): Promise<readonly Unenforced[] | undefined> {
    return await this.onPool('look for invalid indexes in', (client) =>
      inStructureTransaction(client, this.database.timeouts, 'READ ONLY', async () => {
        const { rows } = await client.query<Unenforced>(UNENFORCED_QUERY);
        return (await isBeingDeployed(client)) ? undefined : rows;
      }),
    );
  }

  /**
   * Returns the comparison for people, with Prisma's own comparison of the database and the schema files, if there are any.
   * @throws PgkeepError a `DATABASE_…` code.
   */
  async report(): Promise<DriftReport> {
    const look = await this.look();
    const location = await findPrismaSchema(this.settings);
    if (location.kind === 'absent') return reportOf(look, null);
    if (location.kind === 'unknown') {
      return reportOf(look, { schemaUnknown: location.why, hint: location.hint });
    }
    const obstacle = await this.onPool('look for drift in', (client) =>
      prismaComparisonObstacle(client, this.schema, this.database.timeouts),
    );
    if (obstacle !== undefined) return reportOf(look, { fault: obstacle });
    // Loaded only here: the engine is 5 MB of WebAssembly.
    const { compareSchema } = await import('./compare-schema.js');
    return reportOf(look, await compareSchema(this.settings, location.files, await this.pending()));
  }

  /**
   * What differs before an action of the caller's that changes the structure, for {@link recordAfter}. A action does not
   * fail for this: if it cannot be read, nothing differs.
   */
  async before(client: ClientBase): Promise<readonly DriftedObject[]> {
    try {
      const look = await lookForDrift(client, { ...this.lookOptions, duringDeploy: true });
      const isKnown = look.kind === 'compared' && look.appliedSince.length + look.goneSince.length === 0;
      return isKnown ? look.objects : [];
    } catch {
      return [];
    }
  }

  /**
   * Records the structure as the expected one, after a completed action. Never fails.
   * @param earlier what differed before: if the action left it so, it still differs from what is expected
   */
  async recordAfter(
    action: FingerprintAction,
    earlier: readonly DriftedObject[] = [],
  ): Promise<Fingerprinting> {
    try {
      await this.onPool('record the structure of', (client) =>
        recordFingerprint(
          client,
          { action, schema: this.schema, earlier, externals: this.externals },
          this.database.timeouts,
        ),
      );
      return { recorded: true };
    } catch (error) {
      const hint = error instanceof PgkeepError ? error.hint : undefined;
      return { recorded: false, notRecorded: [messageOf(error), hint].filter(Boolean).join(' ') };
    }
  }

  /** Records the structure if none is recorded yet, in a migrated database that has nothing to deploy. */
  async recordFirst(): Promise<Fingerprinting> {
    try {
      const { timeouts } = this.database;
      const isMissing = await this.onPool(
        'look for drift in',
        async (client) =>
          (await hasFingerprints(client, timeouts)) && !(await hasFingerprint(client, timeouts)),
      );
      return isMissing ? await this.recordAfter('deploy') : { recorded: false };
    } catch (error) {
      return { recorded: false, notRecorded: messageOf(error) };
    }
  }

  /**
   * Records the structure as it is now as the expected one, and the action in the audit log: both, or neither.
   * @param onShow called with what is about to be accepted
   * @throws PgkeepError `DRIFT_REFUSED` if the database belongs to another environment, or is being deployed to;
   *   `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async accept({
    actor = operator(),
    onShow = () => undefined,
  }: { actor?: string; onShow?: (report: DriftReport) => void } = {}): Promise<AcceptReport> {
    const { timeouts } = this.database;
    const { environment, database } = this.settings;
    return await this.onPool('record the structure of', async (client) => {
      const look = await lookForDrift(client, this.lookOptions);
      const report = reportOf(look, null);
      await requireAcceptable(client, look, environment, timeouts);
      const common = { database: database.url.database, before: report.recorded, objects: report.objects };
      if (report.verdict === 'none') {
        return {
          ...common,
          changed: false,
          recorded: false,
          migrations: report.recorded?.migrations.length ?? 0,
        };
      }
      await requireWritable(client, timeouts);
      onShow(report);
      const migrations = await recordFingerprint(
        client,
        {
          action: 'accept',
          schema: this.schema,
          externals: this.externals,
          entry: (count) => ({
            action: 'accept-drift',
            subject: database.url.database,
            details: { environment, migrations: count, ...summaryOf(report) },
            actor,
          }),
        },
        timeouts,
      );
      return { ...common, changed: true, recorded: true, migrations };
    });
  }

  private get schema(): string {
    return this.settings.database.url.schema;
  }

  private get externals() {
    return externalsOf(this.settings.prisma);
  }

  private get lookOptions() {
    return { timeouts: this.database.timeouts, schema: this.schema, externals: this.externals };
  }

  private async pending(): Promise<readonly string[]> {
    const { timeouts } = this.database;
    const report = await this.onPool('read the migration history of', (client) =>
      this.migrations.report(client, timeouts),
    );
    if ('fault' in report) return [];
    const { pending, failed, rolledBack } = report.status;
    return [...pending, ...failed, ...rolledBack].toSorted();
  }

  private async onPool<T>(operation: string, work: (client: ClientBase) => Promise<T>): Promise<T> {
    try {
      const { url } = this.settings.database;
      return await runOnPool(this.database, `${operation} ${describeDatabaseUrl(url)}`, work);
    } catch (error) {
      const isDenied =
        error instanceof PgkeepError && errorCode(error.cause) === SQLSTATE.insufficientPrivilege;
      throw isDenied ? await this.withGrants(error) : error;
    }
  }

  /** Adds the missing grants to the error, if they can be read. */
  private async withGrants(failure: PgkeepError): Promise<PgkeepError> {
    const grants = await this.database
      .withPooled(this.database.primary, (client) =>
        missingGrants(client, this.schema, this.database.timeouts),
      )
      .catch(() => undefined);
    if (grants === undefined) return failure;
    return new PgkeepError(failure.code, failure.message, {
      hint: `Grant the missing privileges: ${grants}`,
      cause: failure,
    });
  }
}

/** Returns a look in the shape of the command's report. Pure. */
export function reportOf(look: DriftLook, prisma: DriftReport['prisma']): DriftReport {
  const nothing = { recorded: null, objects: [], appliedSince: [], goneSince: [], prisma };
  if (look.kind === 'not-installed' || look.kind === 'not-recorded') {
    return { ...nothing, verdict: 'unknown', reason: look.kind };
  }
  if (look.kind !== 'compared') {
    return { ...nothing, recorded: look.recorded, verdict: 'unknown', reason: look.kind };
  }
  const { recorded, objects, appliedSince, goneSince } = look;
  const report = { recorded, objects, appliedSince, goneSince, prisma };
  if (appliedSince.length + goneSince.length > 0) {
    return { ...report, verdict: 'unknown', reason: 'migrations-since' };
  }
  return { ...report, verdict: objects.length === 0 ? 'none' : 'drift' };
}
