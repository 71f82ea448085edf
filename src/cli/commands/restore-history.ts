import { withoutText } from '../../backup/omission-texts.js';
import { counted, formatSeconds, formatTime } from '../../core/text.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import type { RestoreTestHistory } from '../../restore/test/restore-test.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep restore tests`: the history of restore tests, and whether its chain is whole; exit 1 when it is not. */
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
  if (total === 0) return 'No restore was tested yet: `pgkeep restore test` tests the newest backup.';
  const heading = ['number', 'finished (UTC)', 'verdict', 'took', 'backup', 'evidence'];
  const rows = tests.map(({ number, finishedAt, verdict, without, durationMs, backup, hash }) => [
    String(number),
    formatTime(finishedAt),
    `${verdict}${verdict === 'passed' ? withoutText(without) : ''}`,
    formatSeconds(durationMs),
    backup,
    hash,
  ]);
  const chain = chainFault === null ? 'is whole' : `is NOT whole: ${chainFault}`;
  return [
    ...alignColumns([heading, ...rows], [0, 3]),
    ...(tests.length < total ? [`The newest ${tests.length} of ${total}.`] : []),
    `The chain of evidence, ${counted(total, 'test')}, ${chain}.`,
  ].join('\n');
}
