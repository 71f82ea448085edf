import type { Overview } from '../overview/overview.types.js';
import { html, NOTHING, type Html } from './html.js';
import { clockTime } from './times.js';
import type { Viewer } from './view.js';

/** The names of the files that pages link: each has the digest of its contents in it. */
export interface AssetNames {
  readonly style: string;
  readonly script: string;
  /** The icons of a good and of a bad state. */
  readonly good: string;
  readonly bad: string;
}

/** The pages beside the overview, in the order of the navigation. */
export const PAGES = [
  ['activity', 'Activity'],
  ['backups', 'Backups'],
  ['restore-tests', 'Restore tests'],
  ['migrations', 'Migrations'],
  ['statements', 'Statements'],
  ['tables', 'Tables'],
  ['audit-log', 'Audit log'],
] as const;

export type PageName = (typeof PAGES)[number][0];

/** A complete document. */
interface Document {
  readonly title: string;
  readonly assets: AssetNames;
  readonly isGood: boolean;
  /** Seconds after which a browser without script loads the page again; none for a page that does not change. */
  readonly refreshSeconds?: number;
  readonly body: Html;
  readonly className?: string;
}

/** Returns a document. Everything that it loads is its own: a style sheet, a script that it can do without, an icon. */
export function documentOf({ title, assets, isGood, refreshSeconds, body, className }: Document): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <link
          rel="icon"
          href="ui/${isGood ? assets.good : assets.bad}"
          data-good="ui/${assets.good}"
          data-bad="ui/${assets.bad}"
        />
        <link rel="stylesheet" href="ui/${assets.style}" />
        <script src="ui/${assets.script}" defer></script>
        ${refreshSeconds === undefined ? NOTHING : html`<noscript><meta http-equiv="refresh" content="${refreshSeconds}" /></noscript>`}
      </head>
      <body class="${className ?? ''}">
        ${body}
      </body>
    </html> `.text;
}

interface Shell {
  readonly overview: Overview;
  readonly viewer: Viewer;
  readonly assets: AssetNames;
  /** The page that is shown; undefined for the overview. */
  readonly current: PageName | undefined;
  /** What the last action has done. */
  readonly notice?: Notice | undefined;
  readonly main: Html;
  /** Where the script reads the inside of `main` again. */
  readonly liveFrom?: string;
}

/** A message about what was just done. */
interface Notice {
  readonly isGood: boolean;
  readonly text: string;
}

/** What an action leads back with, in the address. */
const NOTICES = new Map<unknown, Notice>([
  ['backup-begun', { isGood: true, text: 'A backup has begun. It is in the list once it is complete.' }],
  ['restore-test-begun', { isGood: true, text: 'A restore test has begun. Its verdict follows.' }],
  ['already-running', { isGood: false, text: 'It is running already. Nothing was started.' }],
  ['silenced', { isGood: true, text: 'The alert is silenced, and the silence is in the audit log.' }],
]);

/** Returns the message that an address names; undefined if it names none. */
export function noticeOf(name: unknown): Notice | undefined {
  return NOTICES.get(name);
}

/** Returns a page with its header, its navigation and its footer. */
export function shell({ overview, viewer, assets, current, notice, main, liveFrom }: Shell): string {
  const name = PAGES.find(([page]) => page === current)?.[1];
  return documentOf({
    title: titleOf(overview, name),
    assets,
    isGood: overview.verdict.status === 'ready',
    refreshSeconds: 30,
    body: html`<a class="skip" href="#main">Skip to the contents</a>
      <header class="top">
        <a class="brand" href="overview">${BRAND}pgkeep</a>
        <p class="where">
          <b>${overview.database}</b> <span class="tag ${overview.environment}">${overview.environment}</span>
        </p>
        <form method="post" action="sign-out">
          <span class="soft">${viewer.name}</span> <button>Sign out</button>
        </form>
      </header>
      <nav class="pages" aria-label="Pages">
        <a href="overview" ${current === undefined ? CURRENT : NOTHING}>Overview</a
        >${PAGES.map(([page, label]) => html`<a href="${page}" ${page === current ? CURRENT : NOTHING}>${label}</a>`)}
      </nav>
      ${notice ? html`<p class="notice ${notice.isGood ? 'ok' : 'critical'}" role="status">${notice.text}</p>` : NOTHING}
      <main id="main" tabindex="-1" ${liveFrom === undefined ? NOTHING : html` data-live="${liveFrom}"`}>
        ${main}
      </main>
      <footer>
        pgkeep ${overview.version}. All times are UTC. The same as JSON:
        <a href="admin/overview">admin/overview</a>, with the admin token.
      </footer>`,
  });
}

const CURRENT = html` aria-current="page"`;

const BRAND = html`<svg viewBox="0 0 16 16" aria-hidden="true">
  <path d="M8 .8l6 2v5c0 3.6-2.4 6-6 7.4-3.6-1.4-6-3.8-6-7.4v-5z" />
  <path class="check" d="M5 7.8l2.2 2.2L11 6" />
</svg>`;

/** Returns the title of a page: what a tab shows, so the state comes first. */
export function titleOf({ verdict, attention, database }: Overview, name?: string): string {
  const acute = attention.filter(
    ({ severity, silencedUntil }) => severity !== 'info' && silencedUntil === null,
  );
  const good = acute.length === 0 ? 'OK' : `${acute.length} to do`;
  const bad = verdict.code === 'EVALUATION_PENDING' ? '…' : 'NOT SAFE';
  const state = verdict.status === 'ready' ? good : bad;
  return [state, database, name ?? 'pgkeep'].join(' · ');
}

/** Says how old the numbers are; the script adds the seconds. */
export function sampledLine({ monitoring, serverVersion, isDemo }: Overview): Html {
  const { report, isStale, down } = monitoring;
  const at = report?.sampledAt;
  const when =
    at === undefined
      ? 'not sampled yet'
      : html`sampled <time datetime="${at}" data-age>${clockTime(at)}</time>`;
  return html`<div class="sampled">
    <p>${serverVersion === null ? NOTHING : `PostgreSQL ${serverVersion}`}</p>
    ${isDemo ? html`<p class="tag demo">Demo: a sample clinic. Its traffic is pgkeep’s own, and so is the hour before the first start</p>` : NOTHING}
    <p class="fresh${isStale || down ? ' stale' : ''}">${isStale ? 'Old: ' : NOTHING}${when}</p>
  </div>`;
}
