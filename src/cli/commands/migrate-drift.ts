import { DriftService } from '../../drift/drift.service.js';
import { renderAcceptable, renderAcceptance, renderDrift, renderDriftSql } from '../drift-text.js';
import { EXIT } from '../errors.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate drift [--sql | --accept]`: shows what was changed outside of migrations. Exit 1 on drift, or if it is unknown. */
export const migrateDriftVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .option('--sql', 'print only the SQL that changes the database to match the Prisma schema')
      .option('--accept', 'record the current structure as the expected one'),
  run: async (app, _parameters, { sql, accept }, _signal, terminal) => {
    const drift = app.get(DriftService);
    if (accept === true) {
      const accepted = await drift.accept({ onShow: (report) => terminal.err(renderAcceptable(report)) });
      return { json: accepted, text: renderAcceptance(accepted) };
    }
    const report = await drift.report();
    // No comparison is not the same as nothing to change.
    const isKnown = sql !== true || (report.prisma !== null && 'files' in report.prisma);
    return {
      json: report,
      text: sql === true ? renderDriftSql(report) : renderDrift(report),
      exitCode: isKnown && report.verdict === 'none' ? EXIT.done : EXIT.failed,
    };
  },
};
