import type { Fact, Overview } from '../overview/overview.types.js';
import type { ChartPoint } from './chart.js';
import { html, NOTHING, type Html } from './html.js';
import type { Range } from './scale.js';
import { exactTime } from './times.js';

/** Who looks at a page. */
export interface Viewer {
  readonly name: string;
  /** Whether the role allows actions. */
  readonly mayAct: boolean;
}

/** What a page is made of. */
export interface View {
  readonly overview: Overview;
  readonly viewer: Viewer;
  readonly now: Date;
  readonly range: Range;
  /** The history of each vital, by name. */
  readonly series: Readonly<Record<string, readonly ChartPoint[]>>;
}

/** A section of the overview: on a narrow screen, one that needs no attention is a line that leads to its page. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** The page with more of it. */
  readonly href?: string;
  /** The section in a few words. */
  readonly summary: Html | string;
  readonly body: Html;
  /** Whether a narrow screen shows all of it. */
  readonly isOpen?: boolean;
  readonly isWide?: boolean;
  /** Beside the title. */
  readonly aside?: Html;
}

/** Returns a section with its heading, which links to its page. */
export function section({ id, title, href, summary, body, isOpen, isWide, aside }: Section): Html {
  const classes = [isOpen ? '' : 'fold', isWide ? 'wide' : ''].filter(Boolean).join(' ');
  const heading = href === undefined ? title : html`<a href="${href}">${title}</a>`;
  return html`<section class="card ${classes}" aria-labelledby="${id}">
    <header>
      <h2 id="${id}">${heading}</h2>
      ${aside ?? NOTHING}
    </header>
    <p class="summary">${summary}</p>
    <div class="body">${body}</div>
  </section>`;
}

/** Returns why a fact is old or missing; nothing if it is current. */
export function freshness({ value, readAt, fault }: Fact<unknown>): Html {
  if (fault === null) return value === null ? html`<p class="soft">Not read yet.</p>` : NOTHING;
  if (value === null) return html`<p class="soft">Not known: ${fault}</p>`;
  return html`<p class="old">
    As of ${readAt === null ? 'before' : exactTime(readAt)} UTC; reading it again failed: ${fault}
  </p>`;
}

/** Returns a table; its columns that hold numbers are aligned to the right. */
export function table({
  columns,
  rows,
  caption,
  className,
}: {
  readonly columns: readonly (string | { readonly number: string })[];
  readonly rows: readonly (readonly (Html | string | number)[])[];
  readonly caption: string;
  readonly className?: string;
}): Html {
  const isNumber = columns.map((column) => typeof column !== 'string');
  const name = (column: string | { readonly number: string }): string =>
    typeof column === 'string' ? column : column.number;
  return html`<table class="${className ?? ''}">
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${columns.map(
          (column, index) =>
            html`<th scope="col" ${isNumber[index] ? html` class="number"` : NOTHING}>${name(column)}</th>`,
        )}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map(
              (cell, index) =>
                html`<td${isNumber[index] ? html` class="number"` : NOTHING} data-label="${name(columns[index] ?? '')}">${cell}</td>`,
            )}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
