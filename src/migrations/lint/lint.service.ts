import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { withConnection } from '../../database/connect.js';
import { databaseFault } from '../../database/database-fault.js';
import { errorCode, KeepError } from '../../errors.js';
import { DatabaseService } from '../../database/database.service.js';
import { MigrationsService } from '../migrations.service.js';
import type { MigrationStatus } from '../migrations.types.js';
import { baselineFile, digestOf, readBaseline, writeBaseline, type Baseline } from './baseline.js';
import { judge } from './lint-migrations.js';
import type { BaselineReport, LintOptions, LintRun } from './lint-run.types.js';
import { findScope, type Scope } from './lint-scope.js';
import type { LintContext, LintReport, OtherFinding } from './lint.types.js';
import { migrationsIn, readBytes } from './migration-files.js';
import { parseFiles, touchedTables, type ParsedFile } from './parse-files.js';
import { SchemaMemory } from './schema-memory.js';
import { findSquawk, runSquawk } from './squawk.js';
import { readTableSizes } from './table-sizes.js';

/** A lint is worth no longer wait than this for a database that may not be there. */
const PATIENCE_MS = 5000;

interface Looked extends LintReport, Pick<LintRun, 'database' | 'withSquawk'> {
  readonly scope: Scope;
}

/** Judges the guarded application's migrations before anybody applies them. */
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
   * @throws KeepError `MIGRATIONS_UNREADABLE`, or `USAGE_INVALID` for a path or a git reference that is not there.
   */
  async lint(options: LintOptions = {}): Promise<LintRun> {
    const { scope, database, withSquawk, ...report } = await this.look(options);
    return { ...report, scope: scope.name, baselined: scope.baselined, database, withSquawk };
  }

  /**
   * Lists every migration that is there now in the baseline: they are judged again only when they change.
   * @throws KeepError `MIGRATIONS_UNREADABLE`.
   */
  async writeBaseline(): Promise<BaselineReport> {
    const file = baselineFile(this.settings.migrationsDirectory);
    const baseline = new Map<string, string>();
    for (const { file: script, migration = '' } of await migrationsIn(this.settings.migrationsDirectory)) {
      baseline.set(migration, digestOf(readBytes(script)));
    }
    await writeBaseline(file, baseline);
    return { file, migrations: baseline.size };
  }

  private async look(options: LintOptions): Promise<Looked> {
    const baseline = await readBaseline(baselineFile(this.settings.migrationsDirectory));
    const { url, isNamed, connectTimeoutMs } = this.settings.database;
    if (!isNamed) return await this.withoutDatabase(options, baseline, 'no database is named');
    const patience = {
      connectTimeoutMs: Math.min(PATIENCE_MS, connectTimeoutMs),
      answerTimeoutMs: this.database.timeouts.statementTimeoutMs,
      applicationName: 'pgkeep lint',
    };
    try {
      return await withConnection(url, patience, (client) => this.withDatabase(client, options, baseline));
    } catch (error) {
      if (error instanceof KeepError || errorCode(error) === undefined) throw error;
      const why = `${describeDatabaseUrl(url)} does not answer: ${databaseFault(error).text}`;
      return await this.withoutDatabase(options, baseline, why);
    }
  }

  private async withDatabase(client: ClientBase, options: LintOptions, baseline: Baseline): Promise<Looked> {
    const report = await this.migrations.report(client, this.database.timeouts);
    const status = 'status' in report ? report.status : undefined;
    const { scope, parsed, others } = await this.read(options, baseline, status);
    const sizes = await readTableSizes(client, this.namesOf(parsed), this.database.timeouts);
    const database = { asked: true, ...('fault' in report && { fault: report.fault.text }) } as const;
    return {
      ...judge(parsed, this.context({ sizes, ...(others && { others }) })),
      scope,
      database,
      withSquawk: others !== undefined,
    };
  }

  private async withoutDatabase(options: LintOptions, baseline: Baseline, why: string): Promise<Looked> {
    const { scope, parsed, others } = await this.read(options, baseline, undefined);
    return {
      ...judge(parsed, this.context({ ...(others && { others }) })),
      scope,
      database: { asked: false, why },
      withSquawk: others !== undefined,
    };
  }

  private async read(options: LintOptions, baseline: Baseline, status: MigrationStatus | undefined) {
    const { migrationsDirectory, searchPath } = this.settings;
    const scope = await findScope(options, { migrationsDirectory, searchPath, status, baseline });
    const judged = scope.files.filter(({ isJudged, isStray }) => isJudged && !isStray);
    const [parsed, others] = await Promise.all([
      parseFiles(scope.files),
      options.squawk === false ? undefined : this.askSquawk(judged.map((file) => file.path)),
    ]);
    return { scope, parsed, others };
  }

  private async askSquawk(files: readonly string[]): Promise<Map<string, OtherFinding[]> | undefined> {
    const { searchPath } = this.settings;
    const binary = await findSquawk(process.cwd(), searchPath);
    return binary === undefined ? undefined : await runSquawk(binary, files, searchPath);
  }

  private namesOf(parsed: readonly ParsedFile[]): string[] {
    const schema = new SchemaMemory(this.settings.database.url.schema);
    return [...new Set(touchedTables(parsed).map((table) => schema.key(table)))];
  }

  private context(known: LintContext): LintContext {
    const { ownerColumns, database } = this.settings;
    return { ...known, defaultSchema: database.url.schema, ...(ownerColumns && { ownerColumns }) };
  }
}
