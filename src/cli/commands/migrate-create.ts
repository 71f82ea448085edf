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

/** `pgkeep migrate create NAME`: has Prisma write `migration.sql`, and writes `down.sql` beside it. */
export const migrateCreateVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .argument('[name]', 'what it does, in lower_case_with_underscores: Prisma puts the time before it')
      .option('--name <name>', 'the same, as Prisma spells it')
      .option('--down-for <migration>', 'only write the down.sql of a migration that has none'),
  shutsDownGracefully: true,
  run: async (app, [name], options, signal) => {
    const { downFor } = options;
    const written = typeof downFor === 'string' ? downFor : await create(app, nameOf(name, options), options);
    const environment = silentEnvironment(options);
    const shadowUrl = environment['SHADOW_DATABASE_URL'] || configurationOf(app)?.shadowUrl;
    // The same databases are made for the comparison as for the migration.
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
    throw new PgkeepError('MIGRATION_FAILED', `Prisma ended with exit code ${exitCode}; it says why above.`, {
      hint: 'Where it asks before it goes on, it wants a terminal.',
    });
  }
  const written = (await files.migrations()).find((migration) => !before.has(migration));
  if (written !== undefined) return written;
  throw new PgkeepError('MIGRATION_FAILED', 'Prisma wrote no migration where MIGRATIONS_DIR looks for it.', {
    hint: 'Set MIGRATIONS_DIR to the directory that prisma.config.ts names (migrations.path).',
  });
}

/** @throws PgkeepError `USAGE_INVALID`. */
function nameOf(argument: string | undefined, { name }: OptionValues): string {
  const given = argument ?? (typeof name === 'string' ? name : undefined);
  if (given === undefined) {
    throw new PgkeepError('USAGE_INVALID', 'What is the migration to be called?', {
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
      `${script} holds no statement yet: the schema has nothing new. Write it by hand, then:`,
      `  pgkeep migrate create --down-for ${migration}`,
    ].join('\n');
  }
  const list = (title: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [title, ...items.map((item) => `  ${item}`)];
  return [
    ...(isNew ? [`Written: ${script}`] : []),
    statements === 0
      ? `Written: ${down}, which takes nothing back: Prisma sees no difference. Write it by hand.`
      : `Written: ${down}, which takes it back. Review ${isNew ? 'both' : 'it'}.`,
    ...list('A rollback loses:', loses),
    ...list('A rollback fails where the table holds rows; give the column a default in down.sql:', failing),
    ...list('The migration takes away, and no rollback brings back:', lostBefore),
    ...list('Not in down.sql; write it there by hand, or leave it:', notReversed),
  ].join('\n');
}
