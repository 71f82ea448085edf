import { KeepError } from '../../errors.js';
import { LintService } from '../../migrations/lint/lint.service.js';
import type { LintRun } from '../../migrations/lint/lint-run.types.js';
import { EXIT } from '../exit-codes.js';
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
      .option('--write-baseline', 'list every migration in the baseline: judged again only when it changes'),
  run: async (rooms, paths, { all, changedSince, format, squawk, writeBaseline }) => {
    const render = FORMATS[String(format)];
    if (!render) {
      throw new KeepError('USAGE_INVALID', `There is no format "${String(format)}".`, {
        hint: `Use one of ${Object.keys(FORMATS).join(', ')}.`,
      });
    }
    const lint = rooms.get(LintService);
    if (writeBaseline === true) {
      const written = await lint.writeBaseline();
      return {
        json: written,
        text: `${written.file} lists ${written.migrations} migrations: they are judged again when they change. Commit it.`,
      };
    }
    const run = await lint.lint({
      paths,
      all: all === true,
      squawk: squawk !== false,
      ...(typeof changedSince === 'string' && { changedSince }),
    });
    return { json: run, text: render(run), exitCode: run.counts.error > 0 ? EXIT.failed : EXIT.done };
  },
};
