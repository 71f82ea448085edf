import { PgkeepError } from '../../core/errors.js';
import { counted } from '../../core/text.js';
import { ENGINES } from '../../migrations/lint/engine.js';
import { LintService } from '../../migrations/lint/lint.service.js';
import type { LintRun } from '../../migrations/lint/lint.types.js';
import { EXIT } from '../errors.js';
import { renderLint, renderSarif } from '../lint-text.js';
import type { Verb } from '../verb.js';

const FORMATS: Readonly<Record<string, (run: LintRun) => string>> = {
  text: renderLint,
  json: (run) => JSON.stringify(run, null, 2),
  sarif: renderSarif,
};

/** `pgkeep migrate lint [PATH...]`: checks migrations before they are applied. Exits with 1 if it finds an error. */
export const migrateLintVerb: Verb = {
  prismaProject: 'directory',
  databaseIsOptional: true,
  declare: (command) =>
    command
      .argument(
        '[paths...]',
        'files or directories; defaults to pending migrations, or to all without a database',
      )
      .option('--all', 'check every migration, also applied ones')
      .option(
        '--changed-since <reference>',
        'check the SQL files that the branch changes, compared with this git reference',
      )
      .option('--format <format>', 'text, json or sarif (SARIF 2.1.0)', 'text')
      .option('--no-squawk', 'do not run squawk, even if it is installed')
      .option('--engine <engine>', `the program that applies the migrations: ${ENGINES.join(', ')}`, 'pgkeep')
      .option('--write-baseline', 'exempt the existing migrations, until they change')
      .option('--accept-edit <migration>', 'accept the change of an applied migration, and record it')
      .option('--because <reason>', 'why the change is accepted'),
  run: async (app, paths, options) => {
    const { all, changedSince, format, squawk, writeBaseline, acceptEdit, because } = options;
    const render = FORMATS[String(format)];
    if (!render) {
      throw new PgkeepError('USAGE_INVALID', `There is no format "${String(format)}".`, {
        hint: `Use one of ${Object.keys(FORMATS).join(', ')}.`,
      });
    }
    const engine = ENGINES.find((name) => name === options['engine']);
    if (!engine) {
      throw new PgkeepError('USAGE_INVALID', `There is no engine "${String(options['engine'])}".`, {
        hint: `Use one of ${ENGINES.join(', ')}.`,
      });
    }
    const lint = app.get(LintService);
    if (typeof acceptEdit === 'string') {
      const accepted = await lint.acceptEdit(acceptEdit, requireReason(because));
      return {
        json: accepted,
        text: `Recorded in ${accepted.file}: the change of ${accepted.migration} is accepted. Commit that file. The next change of the migration needs a new record.`,
      };
    }
    if (writeBaseline === true) {
      const written = await lint.writeBaseline();
      return {
        json: written,
        text: `Listed ${counted(written.migrations, 'migration')} in ${written.file}. Each is checked again only when it changes. Commit that file.`,
      };
    }
    const run = await lint.lint({
      paths,
      all: all === true,
      squawk: squawk !== false,
      engine,
      ...(typeof changedSince === 'string' && { changedSince }),
    });
    return { json: run, text: render(run), exitCode: run.counts.error > 0 ? EXIT.failed : EXIT.done };
  },
};

function requireReason(because: unknown): string {
  if (typeof because === 'string' && because.trim() !== '') return because.trim();
  throw new PgkeepError('USAGE_INVALID', 'Missing option: --because with the reason.', {
    hint: 'Add --because "…". The baseline keeps the reason, and every deploy shows it.',
  });
}
