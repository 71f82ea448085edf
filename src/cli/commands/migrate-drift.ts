import { DriftService } from '../../drift/drift.service.js';
import { renderAcceptable, renderAcceptance, renderDrift, renderDriftSql } from '../drift-text.js';
import { EXIT } from '../errors.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate drift [--sql | --accept]`: what was changed outside of migrations. Exit 1 where there is such, or nobody knows. */
export const migrateDriftVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .option('--sql', 'print the SQL alone that leads from the database to the Prisma schema')
      .option('--accept', 'take the structure as it is now for the expected one; recorded'),
  run: async (app, _parameters, { sql, accept }, _signal, terminal) => {
    const drift = app.get(DriftService);
    if (accept === true) {
      const accepted = await drift.accept({ onShow: (report) => terminal.err(renderAcceptable(report)) });
      return { json: accepted, text: renderAcceptance(accepted) };
    }
    const report = await drift.report();
    // Without a comparison there is no SQL, which is not the same as nothing to change.
    const isKnown = sql !== true || (report.prisma !== null && 'files' in report.prisma);
    return {
      json: report,
      text: sql === true ? renderDriftSql(report) : renderDrift(report),
      exitCode: isKnown && report.verdict === 'none' ? EXIT.done : EXIT.failed,
    };
  },
};
