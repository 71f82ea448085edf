import type { Overview } from '../overview/overview.types.js';
import type { CheckView, Verdict } from '../readiness/readiness.types.js';
import { counted } from '../core/text.js';
import { html, NOTHING, type Html } from './html.js';
import { icon, type Mark } from './icons.js';

const LABELS: Readonly<Record<string, string>> = {
  database: 'Database',
  environment: 'Environment',
  migrations: 'Migrations',
  databaseSafety: 'Connection',
  backupConfig: 'Backup rules',
  backups: 'Backups',
  policy: 'Rules for rows',
  privacy: 'Erasures',
};

const CODES: Readonly<Record<string, string>> = {
  EVALUATION_PENDING: 'The checks have not been made yet.',
  EVALUATION_STALE: 'The checks are out of date: this process does not get to them.',
  SHUTTING_DOWN: 'This instance is shutting down.',
};

/** Returns a check's name for people; an application's own check has the name it was given. */
export function checkLabel(name: string): string {
  return LABELS[name] ?? name;
}

function markOf({ ok, gate }: CheckView): Mark {
  if (ok) return 'ok';
  return gate === 'warn' ? 'warning' : 'critical';
}

/** Answers "is this database safe to serve from?", with every check and all of its details. */
export function verdictCard({ verdict }: Overview): Html {
  const isReady = verdict.status === 'ready';
  const checks = Object.entries(verdict.checks);
  const failing = checks.filter(([, { ok }]) => !ok);
  const passing = checks.filter(([, { ok }]) => ok);
  const isPending = verdict.code === 'EVALUATION_PENDING';
  const heading = isReady ? 'Safe to serve' : isPending ? 'Not known yet' : 'Not safe to serve';
  const mark = isReady ? 'ok' : isPending ? 'unknown' : 'critical';
  return html`<section class="hero ${mark}" aria-labelledby="verdict">
    <div class="headline">
      ${icon(mark)}
      <div>
        <h2 id="verdict">${heading}</h2>
        <p>${summaryOf(verdict, failing.length)}</p>
      </div>
    </div>
    ${failing.length === 0 ? NOTHING : checkList(failing)}
    ${
      passing.length === 0
        ? NOTHING
        : html`<details id="checks">
            <summary>
              ${failing.length === 0 ? `All ${counted(checks.length, 'check')}` : counted(passing.length, 'check that passes', 'checks that pass')}
            </summary>
            ${checkList(passing)}
          </details>`
    }
  </section>`;
}

function summaryOf({ status, code, checks }: Verdict, failing: number): string {
  if (code !== undefined && CODES[code] !== undefined) return CODES[code];
  const total = Object.keys(checks).length;
  const passed = `${total - failing} of ${counted(total, 'check')} pass`;
  return status === 'ready' ? `/ready answers 200: ${passed}.` : `/ready answers 503: ${passed}.`;
}

function checkList(checks: readonly (readonly [string, CheckView])[]): Html {
  return html`<ul class="checks">
    ${checks.map(
      ([name, check]) =>
        html`<li>
          ${icon(markOf(check))}
          <div>
            <b>${checkLabel(name)}</b
            >${check.ok ? NOTHING : html` <span class="soft">${check.gate === 'warn' ? 'reported only' : 'makes it not ready'}</span>`}
            <p>${check.details}</p>
            ${check.code === undefined ? NOTHING : html`<code>${check.code}</code>`}
          </div>
        </li>`,
    )}
  </ul>`;
}
