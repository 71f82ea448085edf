import { boundedList, counted } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { type DdlGuardReport, DdlGuardService } from '../../guard/ddl/ddl-guard.service.js';
import { InstallService } from '../../install/install.service.js';
import { EXIT } from '../errors.js';
import type { Answer } from '../run-verb.js';
import type { Verb } from '../verb.js';

/** `pgkeep install`: applies pgkeep's own migrations, in PostgreSQL schema pgkeep; on demand, the DDL guard. */
export const installVerb: Verb = {
  declare: (command) =>
    command
      .option('--ddl-guard', 'let PostgreSQL refuse DROP and TRUNCATE of tables in production')
      .option('--remove-ddl-guard', 'let it no longer'),
  run: async (app, _parameters, { ddlGuard, removeDdlGuard }) => {
    if (ddlGuard === true && removeDdlGuard === true) {
      throw new PgkeepError('USAGE_INVALID', 'Give either --ddl-guard or --remove-ddl-guard.');
    }
    const guard = app.get(DdlGuardService);
    if (removeDdlGuard === true) return guardAnswer(await guard.remove(), 'remove');
    // And nothing else: pgkeep's own tables belong to whoever installs them, who is to be no superuser.
    if (ddlGuard === true) return guardAnswer(await guard.install(), 'install');
    const report = await app.get(InstallService).install();
    const { applied } = report;
    return {
      json: report,
      text:
        applied.length === 0
          ? 'Nothing to do: pgkeep’s schema is current.'
          : ['Applied to schema pgkeep:', ...applied.map((name) => `  ${name}`)].join('\n'),
    };
  },
};

/** What is left to another run is no success. */
function guardAnswer(report: DdlGuardReport, done: 'install' | 'remove'): Answer {
  const { passedOver } = report;
  const flag = done === 'install' ? '--ddl-guard' : '--remove-ddl-guard';
  const left =
    passedOver.length === 0
      ? []
      : [
          `Passed over, because they were locked or are another role’s: ${boundedList(passedOver)}. Run \`pgkeep install ${flag}\` again.`,
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
    ? `Installed: outside a recorded deploy PostgreSQL now refuses DROP and TRUNCATE of the ${guarded} of database "${database}", and of those to come.`
    : `Nothing to do: the DDL guard of database "${database}" is on, with ${guarded}.`;
}
