import { SOURCE_CODES } from '../../dist/alerts/alert-sources.js';
import { fillParts, table } from './markdown.mjs';

/** @type {import('./pages.mjs').Page} */
export const alertsPage = {
  file: 'docs/alerts.md',
  render: (current) =>
    fillParts(current, {
      codes: table(
        ['code', 'meaning', 'what to do'],
        Object.entries(SOURCE_CODES).map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy]),
      ),
    }),
};
