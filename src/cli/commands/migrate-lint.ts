import { counted } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { ENGINES } from '../../migrations/lint/engine.js';
import { LintService } from '../../migrations/lint/lint.service.js';
import type { LintRun } from '../../migrations/lint/lint.types.js';
import { EXIT } from '../errors.js';
import { renderSarif } from '../lint-sarif.js';
import { renderLint } from '../lint-text.js';
import type { Verb } from '../verb.js';

const FORMATS: Readonly<Record<string, (run: LintRun) => string>> = {
  text: renderLint,
  json: (run) => JSON.stringify(run, null, 2),
  sarif: renderSarif,
};

/** `pgkeep migrate lint [PATH...]`: judges migrations before anybody applies them. Exit 1 when there is an error. */
export const migrateLintVerb: Verb = {
  prismaProject: 'directory',
  databaseIsOptional: true,
  declare: (command) =>
    command
      .argument(
        '[paths...]',
        'files or directories; without any what is pending, or all where no database says',
      )
      .option('--all', 'judge every migration, those that are applied too')
      .option('--changed-since <reference>', 'judge what the change brings, since it left this git reference')
      .option('--format <format>', 'text, json or sarif (SARIF 2.1.0)', 'text')
      .option('--no-squawk', 'leave out squawk’s rules, though it is installed')
      .option('--engine <engine>', `what applies the migrations: ${ENGINES.join(', ')}`, 'pgkeep')
      .option('--write-baseline', 'list every migration in the baseline: judged again only when it changes')
      .option('--accept-edit <migration>', 'record that the change of an applied migration is accepted')
      .option('--because <reason>', 'why it is accepted'),
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
        text: `${accepted.file} records that the change of ${accepted.migration} is accepted. Commit it; the next change of that file needs a new record.`,
      };
    }
    if (writeBaseline === true) {
      const written = await lint.writeBaseline();
      return {
        json: written,
        text: `${written.file} lists ${counted(written.migrations, 'migration: it is judged again when it changes', 'migrations: they are judged again when they change')}. Commit it.`,
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
  throw new PgkeepError('USAGE_INVALID', '--accept-edit needs a reason.', {
    hint: 'Add --because "…": it is kept in the baseline, and every deploy shows it.',
  });
}
