import { boundedList, counted } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { type DdlGuardReport, DdlGuardService } from '../../guard/ddl/ddl-guard.service.js';
import { InstallService } from '../../install/install.service.js';
import { EXIT } from '../errors.js';
import type { Answer } from '../run-verb.js';
import type { Verb } from '../verb.js';

/** `pgkeep install`: creates or updates schema pgkeep; with an option, installs or removes the DDL guard. */
export const installVerb: Verb = {
  declare: (command) =>
    command
      .option('--ddl-guard', 'make PostgreSQL refuse DROP and TRUNCATE of tables in production')
      .option('--remove-ddl-guard', 'remove that guard'),
  run: async (app, _parameters, { ddlGuard, removeDdlGuard }) => {
    if (ddlGuard === true && removeDdlGuard === true) {
      throw new PgkeepError('USAGE_INVALID', '--ddl-guard and --remove-ddl-guard cannot be used together.');
    }
    const guard = app.get(DdlGuardService);
    if (removeDdlGuard === true) return guardAnswer(await guard.remove(), 'remove');
    // Nothing else: pgkeep's tables belong to the role that installs them, which should not be a superuser.
    if (ddlGuard === true) return guardAnswer(await guard.install(), 'install');
    const report = await app.get(InstallService).install();
    const { applied } = report;
    return {
      json: report,
      text:
        applied.length === 0
          ? 'Nothing to do: schema pgkeep is current.'
          : ['Applied to schema pgkeep:', ...applied.map((name) => `  ${name}`)].join('\n'),
    };
  },
};

/** Tables that were skipped need another run: that is no success. */
function guardAnswer(report: DdlGuardReport, done: 'install' | 'remove'): Answer {
  const { passedOver } = report;
  const flag = done === 'install' ? '--ddl-guard' : '--remove-ddl-guard';
  const left =
    passedOver.length === 0
      ? []
      : [
          `Skipped, because they are locked or belong to another role: ${boundedList(passedOver)}. Run \`pgkeep install ${flag}\` again.`,
        ];
  return {
    json: report,
    text: [guardText(report, done), ...left].join('\n'),
    exitCode: left.length === 0 ? EXIT.done : EXIT.failed,
  };
}

function guardText({ database, changed, tables }: DdlGuardReport, done: 'install' | 'remove'): string {
  const guarded = counted(tables, 'table');
  if (done === 'remove') {
    return changed
      ? `Removed: PostgreSQL no longer refuses DROP and TRUNCATE in database "${database}".`
      : `Nothing to do: database "${database}" has no DDL guard.`;
  }
  return changed
    ? `Installed: PostgreSQL now refuses DROP and TRUNCATE of the ${guarded} of database "${database}", and of new tables, except in a recorded deploy.`
    : `Nothing to do: the DDL guard of database "${database}" is on, with ${guarded}.`;
}
