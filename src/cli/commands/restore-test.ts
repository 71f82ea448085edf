import { withoutText } from '../../backup/omission-texts.js';
import { formatSeconds } from '../../core/text.js';
import { despiteOptions, findingsOf } from '../../restore/comparison/despite.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import type { RestoreTestReport } from '../../restore/test/restore-test.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** How many findings are shown, line by line. */
const SHOWN = 20;

/** `pgkeep restore test [NAME]`: restores a backup beside the guarded database and compares; exit 1 when it failed. */
export const restoreTestVerb: Verb = {
  declare: (command) =>
    command
      .argument('[name]', 'the backup’s name, or one of its files; the newest of this database')
      .option('--report <file>', 'write a report for people, one HTML file'),
  shutsDownGracefully: true,
  run: async (app, [name], { report: file }, signal) => {
    const report = await app.get(RestoreTestService).run({ backup: name, signal });
    if (typeof file === 'string') {
      const { writeReport } = await import('../../restore/test/html-report.js');
      await writeReport(file, report);
    }
    return {
      json: report,
      text: renderReport(report),
      exitCode: report.verdict === 'passed' ? EXIT.done : EXIT.failed,
    };
  },
};

function renderReport(report: RestoreTestReport): string {
  const { backup, verdict, without = [], comparisons, notes, restoreMs } = report;
  const { durationMs, number, hash, notRecorded } = report;
  const recovery = restoreMs === null ? '' : `; the restore itself took ${formatSeconds(restoreMs)}`;
  return [
    verdict === 'passed'
      ? `${backup} PASSED its restore test${withoutText(without)}`
      : `${backup} FAILED its restore test: do not rely on it before one has passed`,
    ...alignColumns(comparisons.map(({ name, ok, details }) => [ok ? '  ok ' : '  NO ', name, details])),
    ...findingLines(report),
    ...notes.map((note) => `  note: ${note}`),
    `Restored into a ${report.restoredTo} in ${formatSeconds(durationMs)}${recovery}.`,
    number === null
      ? `Evidence ${hash} is kept beside the backup only. The database has no record of it: ${notRecorded}.`
      : `Evidence ${number} is recorded in the database and beside the backup: ${hash}`,
  ].join('\n');
}

/** What is lost, by name, and the command that restores the rest. */
function findingLines({ backup, comparisons }: RestoreTestReport): string[] {
  const findings = findingsOf(comparisons);
  // Where nothing could be restored there is no rest.
  if (!comparisons.some(({ name }) => name === 'migrations') || findings.length === 0) return [];
  return [
    ...findings.slice(0, SHOWN).map(({ name, details }) => `  finding ${name}: ${details}`),
    ...(findings.length > SHOWN ? [`  and ${findings.length - SHOWN} more: --json shows all`] : []),
    '  To restore everything else, once the findings are read:',
    `    pgkeep restore ${backup} ${despiteOptions(findings)}`,
  ];
}
