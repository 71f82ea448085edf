import { withoutText } from '../../backup/omissions.js';
import { counted, formatSeconds, formatTime } from '../../core/text.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import type { RestoreTestHistory } from '../../restore/test/restore-test.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

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
