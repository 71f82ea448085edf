import { withoutText } from '../../backup/omissions.js';
import { counted, formatSeconds, formatTime } from '../../core/text.js';
import { erasuresSinceText } from '../../privacy/replay/plan-replay.js';
import { despiteOptions, findingsOf } from '../../restore/comparison/despite.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import {
  type RestoreTestHistory,
  type RestoreTestReport,
  SCRATCH_TEXTS,
} from '../../restore/test/restore-test.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** How many findings are listed, one a line. */
const SHOWN = 20;

/** `pgkeep restore test [NAME]`: restores a backup into a scratch database and compares it; exit 1 if that failed. */
export const restoreTestVerb: Verb = {
  prismaProject: 'all-if-valid',
  declare: (command) =>
    command
      .argument('[name]', 'the backup’s name, or one of its files (default: the newest of this database)')
      .option('--report <file>', 'write a report for people as one HTML file'),
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
  const recovery = restoreMs === null ? '' : `, the restore itself ${formatSeconds(restoreMs)}`;
  return [
    verdict === 'passed'
      ? `${backup} PASSED its restore test${withoutText(without)}`
      : `${backup} FAILED its restore test. Do not rely on this backup.`,
    ...alignColumns(comparisons.map(({ name, ok, details }) => [ok ? '  ok ' : '  NO ', name, details])),
    ...findingLines(report),
    ...notes.map((note) => `  note: ${note}`),
    ...erasureLines(report),
    `Tested in ${SCRATCH_TEXTS[report.restoredTo]}. The test took ${formatSeconds(durationMs)}${recovery}.`,
    number === null
      ? `Evidence ${hash} was stored beside the backup, but not in the database: ${notRecorded}.`
      : `Evidence ${number} was stored in the database and beside the backup: ${hash}`,
  ].join('\n');
}

/** The test erases nothing: it compares with the backup. */
function erasureLines({ erasures }: RestoreTestReport): string[] {
  if (erasures === null)
    return ['  note: what was erased since the backup is not known: a restore is refused'];
  return erasures === undefined || erasures.actions === 0
    ? []
    : [`Since the backup, and repeated by a restore of it: ${erasuresSinceText(erasures)}.`];
}

/** Lists the findings by name, and the command that restores the rest. */
function findingLines({ backup, comparisons }: RestoreTestReport): string[] {
  const findings = findingsOf(comparisons);
  // If nothing could be restored, there is no rest.
  if (!comparisons.some(({ name }) => name === 'migrations') || findings.length === 0) return [];
  return [
    ...findings.slice(0, SHOWN).map(({ name, details }) => `  finding ${name}: ${details}`),
    ...(findings.length > SHOWN ? [`  and ${findings.length - SHOWN} more; --json lists all`] : []),
    '  To accept these findings and restore the rest:',
    `    pgkeep restore ${backup} ${despiteOptions(findings)}`,
  ];
}

/** `pgkeep restore history`: lists the restore tests and verifies their chain of evidence; exit 1 if it is broken. */
export const restoreHistoryVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const history = await app.get(RestoreTestService).list();
    return {
      json: history,
      text: renderHistory(history),
      exitCode: history.chainFault === null ? EXIT.done : EXIT.failed,
    };
  },
};

function renderHistory({ total, tests, chainFault }: RestoreTestHistory): string {
  if (total === 0)
    return 'No restore test has been made. Run `pgkeep restore test` to test the newest backup.';
  const heading = ['number', 'finished (UTC)', 'verdict', 'took', 'backup', 'evidence'];
  const rows = tests.map(({ number, finishedAt, verdict, without, durationMs, backup, hash }) => [
    String(number),
    formatTime(finishedAt),
    `${verdict}${verdict === 'passed' ? withoutText(without) : ''}`,
    formatSeconds(durationMs),
    backup,
    hash,
  ]);
  const chain = chainFault === null ? 'is intact' : `is BROKEN: ${chainFault}`;
  return [
    ...alignColumns([heading, ...rows], [0, 3]),
    ...(tests.length < total ? [`Showing the newest ${tests.length} of ${total}.`] : []),
    `The chain of evidence (${counted(total, 'test')}) ${chain}.`,
  ].join('\n');
}
