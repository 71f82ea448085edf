import { fillParts } from './markdown.mjs';
import { GENERAL_CODES, VERDICT_CODES } from '../../dist/readiness/check.js';
import { CHECKS } from '../../dist/readiness/checks.js';

/** @type {import('./pages.mjs').Page} */
export const checksPage = {
  file: 'docs/checks.md',
  render: (current) =>
    fillParts(current, {
      checks: CHECKS.map(checkSection).join('\n\n'),
      'codes of every check': codeSections(GENERAL_CODES),
      'codes of the verdict': codeSections(VERDICT_CODES),
    }),
};

/**
 * Returns the section of a check. The headings are bare names, so that `/ready` can link to them.
 *
 * @param {(typeof CHECKS)[number]} check
 */
function checkSection({ name, question, gate, notes, codes }) {
  const paragraphs = [
    `## ${name}`,
    `**${question}** The gate is \`${gate}\` by default.`,
    notes,
    codeSections(codes),
  ];
  return paragraphs.filter(Boolean).join('\n\n');
}

/** @param {Readonly<Record<string, import('../../dist/readiness/check.js').CodeText>>} codes */
function codeSections(codes) {
  return Object.entries(codes)
    .map(([code, { meaning, remedy }]) => `### ${code}\n\n${meaning}\n\n_What to do:_ ${remedy}`)
    .join('\n\n');
}
