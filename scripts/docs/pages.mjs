import { cliPage } from './cli-page.mjs';
import { lintRulesPage } from './lint-rules.mjs';

/**
 * A page that is generated from declarations in the code, completely or in parts.
 *
 * @typedef {object} Page
 * @property {string} file as seen from the root of the clone
 * @property {(current: string) => string | Promise<string>} render returns the new text; `current` is the committed one, empty if there is none
 */

/**
 * Every generated page: one module of this directory makes it, from what it imports of dist/.
 *
 * @type {readonly Page[]}
 */
export const PAGES = [cliPage, lintRulesPage];
