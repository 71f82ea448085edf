import { environmentExample, settingsPage } from './settings.mjs';

/**
 * A page that is generated from declarations in the code, completely or in parts.
 *
 * @typedef {object} Page
 * @property {string} file as seen from the root of the clone
 * @property {(current: string) => string} render returns the new text; `current` is the committed one, empty if there is none
 */

/**
 * Every generated page. One function in this directory makes each, from what it imports of dist/.
 *
 * @type {readonly Page[]}
 */
export const PAGES = [
  { file: '.env.example', render: environmentExample },
  { file: 'docs/settings.md', render: settingsPage },
];
