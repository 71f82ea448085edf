import { ReadinessService } from '../../readiness/readiness.service.js';
import type { Verdict } from '../../readiness/readiness.types.js';
import { EXIT } from '../exit-codes.js';
import { alignColumns } from '../columns.js';
import type { Verb } from '../verb.js';

/** `pgkeep ready`: evaluates the checks now; exit 0 when ready, 1 when not. */
export const readyVerb: Verb = {
  name: 'ready',
  description: 'Is the database safe to serve from? Exit 0: yes, 1: no.',
  declare: (command) => command,
  run: async (rooms) => {
    const { verdict } = await rooms.get(ReadinessService).evaluate();
    return {
      json: verdict,
      text: renderVerdict(verdict),
      exitCode: verdict.status === 'ready' ? EXIT.done : EXIT.failed,
    };
  },
};

function renderVerdict({ status, checks }: Verdict): string {
  const rows = Object.entries(checks).map(([name, { ok, details, code, gate }]) => {
    const label = gate && gate !== 'enforce' ? ` [${code}, gate ${gate}]` : code ? ` [${code}]` : '';
    return [ok ? '  ok  ' : '  NO  ', name, `${details}${label}`];
  });
  return [status === 'ready' ? 'ready' : 'NOT READY', ...alignColumns(rows)].join('\n');
}
