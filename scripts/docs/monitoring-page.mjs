import { OTHER_CODES, PROBES } from '../../dist/monitoring/probes.js';
import { fillParts, table } from './markdown.mjs';

/** @type {import('./pages.mjs').Page} */
export const monitoringPage = {
  file: 'docs/monitoring.md',
  render: (current) =>
    fillParts(current, {
      codes: table(
        ['code', 'meaning', 'what to do'],
        [{ codes: OTHER_CODES }, ...PROBES].flatMap(({ codes }) =>
          Object.entries(codes).map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy]),
        ),
      ),
      probes: table(
        ['probe', 'codes', 'what the server spends on it', 'right that it needs'],
        PROBES.map(({ name, codes, cost, needs }) => [
          `\`${name}\``,
          Object.keys(codes)
            .map((code) => `\`${code}\``)
            .join(', '),
          cost,
          needs ?? 'none',
        ]),
      ),
    }),
};
