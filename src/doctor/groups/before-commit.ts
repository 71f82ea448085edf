import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { run } from '../../core/process/run.js';
import type { Finding, LintRun } from '../../migrations/lint/lint.types.js';
import { LintService } from '../../migrations/lint/lint.service.js';
import { isGuarded } from '../../migrations/prisma-config/evaluate-prisma-config.js';
import { findPrismaCli } from '../../migrations/prisma-config/find-prisma.js';
import { findPrismaSchema } from '../../migrations/prisma-config/find-prisma-schema.js';
import { fail, ok, skip } from '../check-line.js';
import type { DoctorOptions, Line, LineResult } from '../doctor.types.js';
import { readGeneratedClients } from '../generated-client.js';

/** These lines start Prisma's command, or a throw-away PostgreSQL. */
const SLOW_MS = 60_000;
/** What is wrong, below the headline of Prisma's message. */
const PRISMA_ERROR = /^error: (?!Prisma schema validation)(.+)$/im;
const NO_SCHEMA = 'there is no Prisma schema here';
/** The rule for SQL that no migration holds. */
const RAW_SQL = 'sql-outside-migrations';

/** "Before committing schema changes": needs no database of the application. */
@Injectable()
export class BeforeCommit {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly lint: LintService,
  ) {}

  lines(options: DoctorOptions): Line[] {
    let lintRun: Promise<LintRun> | undefined;
    const lint = (): Promise<LintRun> => (lintRun ??= this.lintChange(options));
    return [
      {
        name: 'schema',
        title: 'schema valid and formatted',
        deadlineMs: SLOW_MS,
        check: (signal) => this.checkSchema(options, signal),
      },
      {
        name: 'schema-migration',
        title: 'migration for every schema change',
        deadlineMs: SLOW_MS,
        check: (signal) => this.checkMigrationOfSchema(signal),
      },
      {
        name: 'generated-client',
        title: 'generated client matches the schema',
        check: () => this.checkGeneratedClient(options),
      },
      {
        name: 'lint',
        title: 'new migrations pass the lint',
        deadlineMs: SLOW_MS,
        check: () => lintResult(lint(), 'new migration', ({ rule }) => rule !== RAW_SQL),
      },
      {
        name: 'raw-sql',
        title: 'no raw SQL outside migrations',
        deadlineMs: SLOW_MS,
        check: () => lintResult(lint(), 'new SQL file', ({ rule }) => rule === RAW_SQL),
      },
      {
        name: 'prisma-guard',
        title: 'guard in prisma.config.ts',
        deadlineMs: SLOW_MS,
        check: (signal) => this.checkPrismaGuard(options, signal),
      },
    ];
  }

  private async checkSchema({ environment }: DoctorOptions, signal: AbortSignal): Promise<LineResult> {
    const schema = await this.schemaFiles();
    if ('status' in schema) return schema;
    const { prisma } = this.settings;
    const where =
      prisma.kind === 'configured'
        ? ['--config', prisma.configuration.file]
        : ['--schema', schema.files[0] ?? ''];
    const { exitCode, stdout, stderrTail } = await run(
      process.execPath,
      [findPrismaCli(process.cwd()), 'format', '--check', ...where],
      {
        env: {
          ...environment,
          CHECKPOINT_DISABLE: '1',
          NO_COLOR: '1',
          // Prisma's command downloads its engine unless this names a file. Formatting starts no engine.
          PRISMA_SCHEMA_ENGINE_BINARY: environment['PRISMA_SCHEMA_ENGINE_BINARY'] ?? process.execPath,
        },
        signal,
      },
    );
    if (exitCode === 0) return ok(shown(schema.files));
    const output = `${stdout}\n${stderrTail}`;
    if (/unformatted/.test(output)) return fail(`not formatted: ${shown(schema.files)}`, 'npx prisma format');
    const error = PRISMA_ERROR.exec(output)?.[1] ?? `exit code ${exitCode}`;
    return fail(`Prisma refuses it: ${error}`, 'npx prisma validate');
  }

  private async checkMigrationOfSchema(signal: AbortSignal): Promise<LineResult> {
    const schema = await this.schemaFiles();
    if ('status' in schema) return schema;
    // Loaded only here: the engine is 5 MB of WebAssembly.
    const { changesWithoutMigration } = await import('../changes-without-migration.js');
    try {
      const options = { now: this.clock.now(), signal };
      const changes = await changesWithoutMigration(this.settings, schema.files, options);
      if (/^(?:No difference detected\.)?$/.test(changes))
        return ok('the migrations make what the schema declares');
      return fail(
        `the schema has changes that no migration makes: ${summaryOf(changes)}`,
        'npx pgkeep migrate create NAME',
      );
    } catch (error) {
      if (error instanceof PgkeepError && error.code === 'BACKUP_TOOLS_MISSING') {
        return skip(
          'not checked: this machine has no PostgreSQL server programs to replay the migrations in',
          'apt-get install postgresql',
        );
      }
      throw error;
    }
  }

  private async checkGeneratedClient({ beforeCommit = false }: DoctorOptions): Promise<LineResult> {
    const schema = await this.schemaFiles();
    if ('status' in schema) return schema;
    const clients = await readGeneratedClients(schema.files);
    if (clients.length === 0) return skip('the schema declares no client');
    const older = clients.filter(({ state }) => state === 'older');
    const missing = clients.filter(({ state }) => state === 'missing');
    const generate = 'npx prisma generate';
    if (older.length > 0) return fail(`generated from another schema: ${directoriesOf(older)}`, generate);
    if (missing.length === 0) return ok(directoriesOf(clients));
    const text = `not generated here: ${directoriesOf(missing)}`;
    // A server may hold the built application alone.
    return beforeCommit ? fail(text, generate) : skip(text, generate);
  }

  private async checkPrismaGuard({ environment }: DoctorOptions, signal: AbortSignal): Promise<LineResult> {
    const { prisma } = this.settings;
    if (prisma.kind === 'invalid') return fail(prisma.why, prisma.hint);
    if (prisma.kind !== 'configured') return skip('there is no prisma.config.ts here');
    const { file } = prisma.configuration;
    const guarded = await isGuarded(file, { environment, workingDirectory: process.cwd(), signal });
    const where = path.relative('', file);
    if (guarded) return ok(`${where} refuses \`prisma migrate reset\` in production`);
    return fail(
      `${where} lets \`prisma migrate reset\` run in production`,
      `in ${where}: import { guardedConfig } from 'pgkeep/prisma'; export default await guardedConfig(defineConfig({ … }));`,
    );
  }

  private async schemaFiles(): Promise<{ files: readonly string[] } | LineResult> {
    const location = await findPrismaSchema(this.settings);
    if (location.kind === 'found') return { files: location.files };
    return location.kind === 'absent' ? skip(NO_SCHEMA) : fail(location.why, location.hint);
  }

  private async lintChange({ changedSince = 'HEAD' }: DoctorOptions): Promise<LintRun> {
    return await this.lint.lint({ changedSince });
  }
}

async function lintResult(
  linting: Promise<LintRun>,
  what: string,
  isOwn: (finding: Finding) => boolean,
): Promise<LineResult> {
  try {
    const { findings } = await linting;
    const first = findings.find((finding) => finding.severity === 'error' && isOwn(finding));
    if (!first) return ok(`no ${what} has an error`);
    return fail(`${first.file}:${first.line}: ${first.message}`, 'npx pgkeep migrate lint');
  } catch (error) {
    // What is new is found by git.
    if (error instanceof PgkeepError && error.code === 'USAGE_INVALID')
      return skip(`not checked: ${error.message}`);
    throw error;
  }
}

function shown(files: readonly string[]): string {
  return files.map((file) => path.relative('', file)).join(', ');
}

function directoriesOf(clients: readonly { directory: string }[]): string {
  return shown(clients.map(({ directory }) => directory));
}

/** The first lines of Prisma's summary, on one line. */
function summaryOf(changes: string): string {
  const lines = changes
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(0, 3).join(' ') + (lines.length > 3 ? ' …' : '');
}
