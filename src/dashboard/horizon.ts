import { durationText } from './times.js';
import { html, type Html } from './html.js';
import type { UpcomingItem } from '../overview/overview.types.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LAST = 3 * 365 * DAY;

const TICKS: readonly (readonly [string, number])[] = [
  ['1 day', DAY],
  ['1 week', 7 * DAY],
  ['1 month', 30.4 * DAY],
  ['1 year', 365 * DAY],
];

/** Returns where a time is on the axis, in percent: by the logarithm, so that an hour has as much room as a month. */
function placeOf(ms: number): string {
  const share = Math.log(Math.max(ms, HOUR) / HOUR) / Math.log(LAST / HOUR);
  return Math.min(98, 1 + share * 97).toFixed(1);
}

/** Within these times, an item is red, or amber. */
function severityOf(ms: number): 'critical' | 'warning' | 'ok' {
  if (ms < 7 * DAY) return 'critical';
  return ms < 30 * DAY ? 'warning' : 'ok';
}

/** Returns what will break, on one axis from an hour to three years. */
export function horizon(items: readonly UpcomingItem[], now: Date): Html {
  const foreseen = items.flatMap(({ breaksAt, ...item }) =>
    breaksAt === null ? [] : [{ ...item, breaksAt }],
  );
  const dateless = items.filter(({ breaksAt }) => breaksAt === null);
  const others = html`<ul class="plain soft">
    ${dateless.map(({ text }) => html`<li>${text}</li>`)}
  </ul>`;
  if (foreseen.length === 0)
    return html`<p class="soft">Nothing is in sight.</p>
      ${others}`;
  const ticks = TICKS.map(
    ([, ms]) => html`<line class="tick" x1="${placeOf(ms)}%" x2="${placeOf(ms)}%" y1="-8" y2="24" />`,
  );
  return html`<ol class="horizon">
      ${foreseen.map(({ breaksAt, text }) => {
        const ms = Date.parse(breaksAt) - now.getTime();
        return html`<li class="${severityOf(ms)}">
          <span class="when">${ms <= 0 ? 'now' : `in ${durationText(ms)}`}</span
          ><svg class="track" aria-hidden="true">
            ${ticks}
            <line class="reach" x2="${placeOf(ms)}%" y1="8" y2="8" />
            <circle cx="${placeOf(ms)}%" cy="8" r="5" /></svg
          ><span class="what">${text} <span class="soft">${breaksAt.slice(0, 10)}</span></span>
        </li>`;
      })}
    </ol>
    <div class="horizon-axis" aria-hidden="true">
      <svg>${TICKS.map(([label, ms]) => html`<text x="${placeOf(ms)}%" y="11">${label}</text>`)}</svg>
    </div>
    ${others}`;
}
