import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { withDeadline } from '../../postgres/deadline.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import { DriftWatch } from '../../readiness/drift-watch.js';
import { PrivacyWatch } from '../../readiness/privacy-watch.js';
import { ReadinessService } from '../../readiness/readiness.service.js';
import type { Verdict } from '../../readiness/readiness.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep ready`: evaluates the checks now; exit 0 when ready, 1 when not. */
export const readyVerb: Verb = {
  prismaProject: 'directory',
  declare: (command) => command,
  run: async (app) => {
    // A service looks in the background. This process looks once, if that does not take long.
    const { timeoutMs } = app.get<Settings>(SETTINGS).readiness;
    const learned: Promise<unknown>[] = [
      app.get(DriftWatch).refresh(),
      app.get(PrivacyWatch).refresh(),
      app.get(MigrationsService).requireStatus(),
    ];
    await Promise.allSettled(learned.map(async (one) => await withDeadline(one, timeoutMs)));
    const { verdict } = await app.get(ReadinessService).evaluate();
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
  const hints = new Set(Object.values(checks).flatMap(({ ok, hint }) => (ok ? [] : (hint ?? []))));
  return [
    status === 'ready' ? 'ready' : 'NOT READY',
    ...alignColumns(rows),
    ...(hints.size > 0 ? ['', 'What to do:', ...[...hints].map((hint) => `  ${hint}`)] : []),
  ].join('\n');
}
