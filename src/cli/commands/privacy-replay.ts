import { counted } from '../../core/text.js';
import { erasureText } from '../../privacy/replay/plan-replay.js';
import { type ReplayReport, ReplayService } from '../../privacy/replay/replay.service.js';
import type { Verb } from '../verb.js';

/** `pgkeep privacy replay [--from DATABASE]`: repeats the erasures that the database's ledger lacks. */
export const privacyReplayVerb: Verb = {
  prismaProject: 'all-if-valid',
  declare: (command) =>
    command
      .option(
        '--from <database>',
        'also read the ledger of this database of the server: one that was replaced',
      )
      .option(
        '--accept-salt <digest>',
        'take copies of the ledger with this salt for this database’s: it was restored from a backup without a ledger',
      ),
  run: async (app, _parameters, { from, acceptSalt }) => {
    const report = await app.get(ReplayService).replayHere({
      from: typeof from === 'string' ? from : undefined,
      acceptedSalt: typeof acceptSalt === 'string' ? acceptSalt : undefined,
    });
    return { json: report, text: render(report) };
  },
};

function render({ erasures, notes }: ReplayReport): string {
  const done =
    erasures.actions === 0
      ? 'Nothing to erase again: the ledger of the database lacks no action.'
      : `Erased again, as in ${counted(erasures.actions, 'action')} that the database did not know: ${erasureText(erasures)}.`;
  return [done, ...notes.map((note) => `  note: ${note}`)].join('\n');
}
