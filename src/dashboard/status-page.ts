import type { Verdict } from '../readiness/readiness.types.js';
import { html } from './html.js';
import { icon } from './icons.js';
import { type AssetNames, documentOf } from './layout.js';
import { exactTime } from './times.js';

/** Returns the public page: whether the database is ready, and nothing else about it. */
export function statusPage(assets: AssetNames, { status, evaluatedAt }: Verdict): string {
  const isReady = status === 'ready';
  return documentOf({
    title: isReady ? 'Available' : 'Not available',
    assets,
    isGood: isReady,
    refreshSeconds: 30,
    className: 'door',
    body: html`<main>
      <section class="hero ${isReady ? 'ok' : 'critical'}">
        <div class="headline">
          ${icon(isReady ? 'ok' : 'critical')}
          <div>
            <h1>${isReady ? 'Available' : 'Not available'}</h1>
            <p>
              ${evaluatedAt === undefined ? 'Not checked yet.' : html`Checked ${exactTime(evaluatedAt)} UTC.`}
            </p>
          </div>
        </div>
      </section>
    </main>`,
  });
}
