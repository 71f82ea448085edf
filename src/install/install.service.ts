import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { type Client, escapeIdentifier } from 'pg';
import { mayRecord, operator, recordingDenied, service } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { StampService } from '../environment/stamp.service.js';
import {
  compareMigrations,
  MigrationDirectory,
  OWN_MIGRATIONS_DIRECTORY,
  OWN_SCHEMA,
} from '../migrations/history/migration-directory.js';
import { PrismaHistory } from '../migrations/history/prisma-history.js';
import { withConnection, withDatabaseErrors } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import { oneMessage } from '../postgres/mark.js';
import { readOne } from '../postgres/read.js';

/** What `pgkeep install` did. */
export interface InstallReport {
  /** Names of pgkeep's own migrations that were applied now; empty where the schema was current. */
  readonly applied: readonly string[];
}

interface Abilities {
  readonly role: string;
  readonly database: string;
  readonly in_recovery: boolean;
  readonly schema_exists: boolean;
  readonly may_create_schema: boolean;
  readonly may_create_in_schema: boolean;
}

/** Creates and updates schema pgkeep in the guarded database. */
@Injectable()
export class InstallService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly changelog: AuditLogService,
  ) {}

  /**
   * Applies pgkeep's own pending migrations, in PostgreSQL schema `pgkeep`, and records them afterwards, because the
   * first one creates the audit log. Nothing to do is no error, and is not recorded.
   * @param actor who does it, for the audit log
   * @throws PgkeepError `DATABASE_PERMISSION_DENIED` with the grant to give, `DATABASE_READ_ONLY`,
   *   `DATABASE_UNREACHABLE`, or `MIGRATION_FAILED`.
   */
  async install(actor: string = operator()): Promise<InstallReport> {
    const { url } = this.settings.database;
    const work = await this.onOwnConnection(async (client) => {
      const pending = await this.pending(client);
      if (pending.length === 0) return undefined;
      const { database } = await this.requireAbilities(client);
      await createSchema(client);
      return { database };
    });
    if (!work) return { applied: [] };
    // Loaded only when there is something to apply: the engine is 5 MB of WebAssembly.
    const { applyMigrations } = await import('../migrations/schema-engine.js');
    const applied = await applyMigrations({
      database: { ...url, schema: OWN_SCHEMA },
      directory: OWN_MIGRATIONS_DIRECTORY,
    });
    // Of two concurrent installs, one finds nothing left to apply.
    if (applied.length > 0) {
      await this.changelog.record({ action: 'install', subject: work.database, details: { applied }, actor });
    }
    return { applied };
  }

  /** @throws PgkeepError when the connection or `work` fails. */
  private async onOwnConnection<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { url, connectTimeoutMs, queryTimeoutMs } = this.settings.database;
    const options = { connectTimeoutMs, answerTimeoutMs: queryTimeoutMs, applicationName: 'pgkeep install' };
    return await withDatabaseErrors(`install schema pgkeep in ${describeDatabaseUrl(url)}`, () =>
      withConnection(url, options, work),
    );
  }

  private async pending(client: Client): Promise<readonly string[]> {
    const directory = await new MigrationDirectory(OWN_MIGRATIONS_DIRECTORY).read();
    if ('code' in directory)
      throw new PgkeepError('MIGRATION_FAILED', directory.text, { hint: directory.hint });
    const history = await new PrismaHistory(OWN_SCHEMA).read(client, this.database.timeouts);
    if ('code' in history) {
      // Another role installed it; the least role cannot read the history, and need not.
      if (history.code === 'MIGRATIONS_PERMISSION_DENIED') return [];
      throw new PgkeepError('DATABASE_TIMEOUT', `Cannot install schema pgkeep: ${history.text}`, {
        hint: history.hint,
      });
    }
    const { pending, failed, rolledBack } = compareMigrations(directory, history.rows ?? []);
    return [...pending, ...failed, ...rolledBack];
  }

  private async requireAbilities(client: Client): Promise<Abilities> {
    const abilities = await readOne<Abilities>(client, { sql: ABILITIES_QUERY, ...this.database.timeouts });
    if (abilities.in_recovery) {
      throw new PgkeepError(
        'DATABASE_READ_ONLY',
        'Cannot install schema pgkeep: the server is a read-only replica.',
        {
          hint: 'Point DATABASE_URL at the primary.',
        },
      );
    }
    const { role, database, schema_exists: schemaExists } = abilities;
    const mayCreate = schemaExists ? abilities.may_create_in_schema : abilities.may_create_schema;
    if (mayCreate && (await mayRecord(client, this.database.timeouts)) !== 'denied') return abilities;
    if (mayCreate) throw recordingDenied('install schema pgkeep', role);
    const grant = schemaExists
      ? `GRANT CREATE ON SCHEMA ${OWN_SCHEMA} TO ${escapeIdentifier(role)};`
      : `GRANT CREATE ON DATABASE ${escapeIdentifier(database)} TO ${escapeIdentifier(role)};`;
    throw new PgkeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot install schema pgkeep: role "${role}" cannot create it in database "${database}".`,
      { hint: `Run \`pgkeep install\` as the owner of the database, or grant: ${grant}` },
    );
  }
}

/** Takes a lock: of two concurrent first starts, both would find no schema, and one would fail. */
async function createSchema(client: Client): Promise<void> {
  await client.query(
    oneMessage(
      'BEGIN',
      `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgkeep install'))`,
      `CREATE SCHEMA IF NOT EXISTS ${OWN_SCHEMA}`,
      'COMMIT',
    ),
  );
}

const ABILITIES_QUERY = `
  SELECT current_user::text AS role, pg_catalog.current_database()::text AS database,
         pg_catalog.pg_is_in_recovery() AS in_recovery,
         n.oid IS NOT NULL AS schema_exists,
         pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create_schema,
         coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false) AS may_create_in_schema
    FROM (VALUES (1)) one
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '${OWN_SCHEMA}'`;

/** Installs schema pgkeep when the service starts, in the background; in production, stamps the database. */
@Injectable()
export class StartupInstall implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Install');
  private readonly stopping = new AbortController();

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly install: InstallService,
    private readonly stamp: StampService,
  ) {}

  /**
   * Tries once per readiness period until the database answers. A missing right is logged once, with the grant; the
   * readiness check reports it too.
   * @returns whether anything was changed.
   */
  async run(): Promise<boolean> {
    while (!this.stopping.signal.aborted) {
      try {
        return await this.once();
      } catch (error) {
        if (!(error instanceof PgkeepError) || error.kind !== 'unavailable') {
          this.logger.warn(
            [messageOf(error), error instanceof PgkeepError ? error.hint : ''].join(' ').trim(),
          );
          return false;
        }
        await sleep(this.settings.readiness.refreshMs, undefined, { signal: this.stopping.signal }).catch(
          () => undefined,
        );
      }
    }
    return false;
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  private async once(): Promise<boolean> {
    const { applied } = await this.install.install(service());
    if (applied.length > 0) this.logger.log(`installed schema pgkeep: ${applied.join(', ')}`);
    // Only in production: a laptop that is pointed at production must not mark it as development.
    const isProduction = this.settings.environment === 'production';
    const stamped = isProduction ? await this.stamp.stampIfUnstamped('production', service()) : undefined;
    if (stamped) this.logger.log(`stamped database "${stamped.database}" as production`);
    return applied.length > 0 || stamped !== undefined;
  }
}
