import type { Problem } from '../http/problem.js';
import { html, NOTHING, prose } from './html.js';
import { icon } from './icons.js';
import { type AssetNames, documentOf } from './layout.js';

/** Returns a page that says why a request was refused, or failed. */
export function errorPage(assets: AssetNames, { title, detail, hint, code }: Problem): string {
  return documentOf({
    title: `${title} · pgkeep`,
    assets,
    isGood: false,
    className: 'door',
    body: html`<main>
      <section class="hero critical">
        <div class="headline">
          ${icon('critical')}
          <div>
            <h1>${title}</h1>
            <p>${detail}</p>
            ${hint === undefined ? NOTHING : html`<p>${prose(hint)}</p>`}
            <p class="soft"><code>${code}</code></p>
            <p><a href="overview">Back to the overview</a></p>
          </div>
        </div>
      </section>
    </main>`,
  });
}
