import { escapeHtml } from '../core/text.js';

/** Markup that is safe to send: only {@link html} makes it. */
export class Html {
  private constructor(readonly text: string) {}

  /** Joins fixed markup with values, which are escaped unless they are markup themselves. */
  static of(fixed: TemplateStringsArray, values: readonly Value[]): Html {
    return new Html(
      compact(fixed)
        .map((text, index) => (index === 0 ? '' : markupOf(values[index - 1])) + text)
        .join(''),
    );
  }
}

const COMPACTED = new WeakMap<TemplateStringsArray, readonly string[]>();

/** Returns fixed markup with one space for each line break and its indentation: a browser shows both alike. */
function compact(fixed: TemplateStringsArray): readonly string[] {
  const known = COMPACTED.get(fixed);
  if (known) return known;
  const compacted = fixed.map((text) =>
    text.replaceAll(/\s*\n\s*(?=\/?>)/g, '').replaceAll(/\s*\n\s*/g, ' '),
  );
  COMPACTED.set(fixed, compacted);
  return compacted;
}

/** What can stand in a template: text is escaped, a list is joined, nothing is left out. */
export type Value = Html | string | number | false | null | undefined | readonly Value[];

/**
 * Returns markup: every value in it is escaped, in text and in quoted attributes alike. There is no other way to make
 * markup, so a name or a query that holds HTML is shown as it is.
 */
export function html(fixed: TemplateStringsArray, ...values: readonly Value[]): Html {
  return Html.of(fixed, values);
}

export const NOTHING = html``;

/** Returns a text of pgkeep's, in which backticks stand around commands, as markup. */
export function prose(text: string): Html {
  return html`${text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

/** Escapes text. Control characters, which a browser would drop or obey, and those that turn the writing direction are replaced. */
function escaped(text: string): string {
  return escapeHtml(text).replaceAll(/(?![\n\t])[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, '\uFFFD');
}

function markupOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (value === undefined || value === null || value === false) return '';
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return value.map((part) => markupOf(part)).join('');
}
