import type { Severity } from '../monitoring/monitoring.types.js';
import { html, type Html } from './html.js';

/** What an icon stands for; its shape differs as well as its colour. */
export type Mark = Severity | 'ok' | 'unknown';

const SHAPES: Readonly<Record<Mark, Html>> = {
  ok: html`<circle cx="8" cy="8" r="7" /><path d="M4.6 8.3l2.3 2.3 4.6-5" />`,
  critical: html`<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" /><path d="M5.5 5.5l5 5m0-5l-5 5" />`,
  warning: html`<path d="M8 1.2L15.3 14.4H.7z" /><path d="M8 5.8v4.4m0 1.7v.6" />`,
  info: html`<circle cx="8" cy="8" r="7" /><path d="M8 7.2v4.4M8 4.2v.9" />`,
  unknown: html`<circle cx="8" cy="8" r="7" stroke-dasharray="2.5 2" /><path d="M5 8h6" />`,
};

/** Returns an icon, which a word beside it explains. */
export function icon(mark: Mark): Html {
  return html`<svg class="icon ${mark}" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[mark]}</svg>`;
}
