import type { INestApplicationContext } from '@nestjs/common';
import type { OptionValues } from 'commander';
import type { PrismaConfiguration } from '../../config/prisma-project.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { PgkeepError } from '../../core/errors.js';
import { DownScriptService, type DownReport } from '../../migrations/down/down-script.service.js';
import { descriptionFault, spelledRight } from '../../migrations/history/migration-name.js';
import { requireGuard, runGuardedPrisma } from '../guarded-prisma.js';
import { silentEnvironment } from '../run-verb.js';
import type { Verb } from '../verb.js';

const CREATE = ['migrate', 'dev', '--create-only', '--name'];

/** `pgkeep migrate create NAME`: lets Prisma write `migration.sql`, and writes `down.sql` beside it. */
export const migrateCreateVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .argument('[name]', 'what it does, in lower_case_with_underscores; Prisma prepends the time')
      .option('--name <name>', 'the name, in Prisma’s spelling')
      .option('--down-for <migration>', 'only write the down.sql of a migration that has none'),
  shutsDownGracefully: true,
  run: async (app, [name], options, signal) => {
    const { downFor } = options;
    const written = typeof downFor === 'string' ? downFor : await create(app, nameOf(name, options), options);
    const environment = silentEnvironment(options);
    const shadowUrl = environment['SHADOW_DATABASE_URL'] || configurationOf(app)?.shadowUrl;
    // The comparison creates the same databases as the migration.
    if (typeof downFor === 'string') {
      await requireGuard(environment, [...CREATE, downFor], 'pgkeep migrate', { shadowUrl });
    }
    const report = await app.get(DownScriptService).write(written, { shadowUrl, signal });
    return { json: report, text: renderDown(report, typeof downFor !== 'string') };
  },
};

function configurationOf(app: INestApplicationContext): PrismaConfiguration | undefined {
  const { prisma } = app.get<Settings>(SETTINGS);
  return prisma.kind === 'configured' ? prisma.configuration : undefined;
}

/** @returns the name of the migration that Prisma wrote. */
async function create(app: INestApplicationContext, name: string, options: OptionValues): Promise<string> {
  const files = app.get(DownScriptService);
  const before = new Set(await files.migrations().catch(() => []));
  const configuration = configurationOf(app);
  const { config } = options;
  const argv = [...CREATE, name, ...(typeof config === 'string' ? ['--config', config] : [])];
  const run = { output: 'stderr', configuration } as const;
  const exitCode = await runGuardedPrisma(silentEnvironment(options), argv, run);
  if (exitCode !== 0) {
    throw new PgkeepError(
      'MIGRATION_FAILED',
      `Prisma failed with exit code ${exitCode}; its message is above.`,
      {
        hint: 'If Prisma asks a question, run this on a terminal.',
      },
    );
  }
  const written = (await files.migrations()).find((migration) => !before.has(migration));
  if (written !== undefined) return written;
  throw new PgkeepError('MIGRATION_FAILED', 'Prisma wrote no migration into MIGRATIONS_DIR.', {
    hint: 'Set MIGRATIONS_DIR to the directory that prisma.config.ts names (migrations.path).',
  });
}

/** @throws PgkeepError `USAGE_INVALID`. */
function nameOf(argument: string | undefined, { name }: OptionValues): string {
  const given = argument ?? (typeof name === 'string' ? name : undefined);
  if (given === undefined) {
    throw new PgkeepError('USAGE_INVALID', 'Missing argument: migration name.', {
      hint: '`pgkeep migrate create add_phone_to_parents`',
    });
  }
  const fault = descriptionFault(given);
  if (fault === undefined) return given;
  const right = spelledRight(given);
  throw new PgkeepError('USAGE_INVALID', `"${given}" ${fault}.`, {
    hint: `\`pgkeep migrate create ${right === '' ? 'add_phone_to_parents' : right}\``,
  });
}

function renderDown(
  { migration, script, down, statements, loses, lostBefore, failing, notReversed }: DownReport,
  isNew: boolean,
): string {
  if (down === null) {
    return [
      `${script} contains no statement: the schema has not changed. Write it by hand, then:`,
      `  pgkeep migrate create --down-for ${migration}`,
    ].join('\n');
  }
  const list = (title: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`)];
  return [
    ...(isNew ? [`Written: ${script}`] : []),
    statements === 0
      ? `Written: ${down}, which undoes nothing: Prisma sees no difference. Write it by hand.`
      : `Written: ${down}, which undoes it. Review ${isNew ? 'both' : 'it'}.`,
    ...list('A rollback loses:', loses),
    ...list('A rollback fails if the table has rows; give the column a default in down.sql:', failing),
    ...list('The migration removes this, and a rollback does not restore it:', lostBefore),
    ...list('Not undone by down.sql; add it by hand if needed:', notReversed),
  ].join('\n');
}
