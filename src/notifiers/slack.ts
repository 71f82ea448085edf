import {
  asksForAction,
  factsOf,
  listedAlerts,
  type NoticeFact,
  oneLine,
  sqlLines,
  titleOf,
} from './notice-text.js';
import type { Notice } from './notifier.types.js';

/** A header of Slack's holds this many characters, a text block 3,000. */
const LONGEST_HEADER = 150;

/**
 * Returns a message of Slack's incoming webhooks. Foreign text stands only in `plain_text` and in preformatted rich text,
 * where nothing is a mention, a link or markup.
 */
export function slackBody(notice: Notice): object {
  const [alert, ...others] = notice.alerts;
  const title = titleOf(notice);
  const isMany = others.length > 0;
  const remedy = asksForAction(notice) && !isMany ? alert.remedy : '';
  const sql = asksForAction(notice) && !isMany ? alert.sql : null;
  return {
    // The text of the notification; Slack reads it as markup.
    text: escapeMarkup(title),
    blocks: [
      { type: 'header', text: plain(oneLine(title, LONGEST_HEADER)) },
      ...(title.length > LONGEST_HEADER ? [section(title)] : []),
      ...(isMany ? [section(listedAlerts(notice).join('\n'))] : []),
      ...(remedy === '' ? [] : [section(remedy)]),
      ...(sql === null ? [] : [preformatted(sqlLines(sql))]),
      ...(isMany ? [] : [context(factsOf(notice, alert))]),
    ],
  };
}

function section(text: string): object {
  return { type: 'section', text: plain(text) };
}

function context(facts: readonly NoticeFact[]): object {
  return { type: 'context', elements: facts.map(({ label, value }) => plain(`${label}: ${value}`)) };
}

function plain(text: string): object {
  return { type: 'plain_text', text: text.slice(0, 3000), emoji: false };
}

function preformatted(text: string): object {
  return {
    type: 'rich_text',
    elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text }] }],
  };
}

/** Slack's three characters; with them, nothing can be a mention or a link. */
function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
