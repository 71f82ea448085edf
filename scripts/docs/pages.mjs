import { accessPage } from './access-page.mjs';
import { alertsPage } from './alerts-page.mjs';
import { checksPage } from './checks-page.mjs';
import { cliPage } from './cli-page.mjs';
import { lintRulesPage } from './lint-rules-page.mjs';
import { metricsPage } from './metrics-page.mjs';
import { monitoringPage } from './monitoring-page.mjs';
import { prometheusRule } from './prometheus-rule.mjs';
import { environmentExample, settingsPage } from './settings.mjs';

/**
 * A page that is generated from declarations in the code, completely or in parts.
 *
 * @typedef {object} Page
 * @property {string} file relative to the root of the clone
 * @property {(current: string) => string | Promise<string>} render returns the new text; `current` is the committed
 * one, empty if there is none
 */

/**
 * Every generated page. Each is made by one function in this directory, from imports of dist/.
 *
 * @type {readonly Page[]}
 */
export const PAGES = [
  accessPage,
  alertsPage,
  checksPage,
  cliPage,
  environmentExample,
  lintRulesPage,
  metricsPage,
  monitoringPage,
  prometheusRule,
  settingsPage,
];
