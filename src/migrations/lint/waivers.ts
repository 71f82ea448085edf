import { closest } from 'fastest-levenshtein';
import type { SourceText } from '../sql/source-text.js';
import type { Statement } from '../sql/statements.js';
import { ruleOf, RULES } from './rules/all-rules.js';

/** `-- pgkeep:allow RULE because REASON` */
export interface Waiver {
  readonly rules: readonly string[];
  /** Empty if none was given: the waiver has no effect. */
  readonly reason: string;
  readonly index: number;
  /** Where the findings are that it waives, as indexes into the text. */
  readonly from: number;
  readonly to: number;
  /** Whether it is before the first statement: it then also waives findings about the file. */
  readonly isAtTop: boolean;
}

const LINE = /^[ \t]*--[ \t]*pgkeep:allow\b(.*)$/gm;
const BODY = /^\s+([\w/-]+(?:\s*,\s*[\w/-]+)*)(?:\s+because\s+(\S.*?))?\s*$/;

/** Returns the waivers of a file. One before a statement is for the statement; one inside is for the line below it. */
export function waiversOf({ text }: SourceText, statements: readonly Statement[]): Waiver[] {
  return [...text.matchAll(LINE)].map((match) => {
    const index = match.index + match[0].indexOf('--');
    const [, rules = '', reason = ''] = BODY.exec((match[1] ?? '').replace(/\r$/, '')) ?? [];
    const around = statements.find((statement) => statement.index <= index && index < endOf(statement));
    const next = statements.find((statement) => statement.index > index);
    const behind = match.index + match[0].length + 1;
    const nextEnd = next ? endOf(next) : text.length;
    return {
      rules: rules
        .split(',')
        .map((rule) => rule.trim())
        .filter(Boolean),
      reason,
      index,
      from: around ? behind : (next?.index ?? text.length),
      to: around ? endOfNextLine(text, behind) : nextEnd,
      isAtTop: index <= (statements[0]?.index ?? text.length),
    };
  });
}

/** Says what is wrong with the name of a rule; undefined if there is such a rule. */
export function unknownRule(name: string): string | undefined {
  if (name.startsWith('squawk/') || ruleOf(name)) return undefined;
  const nearest = closest(
    name,
    RULES.map(({ id }) => id),
  );
  return `there is no rule "${name}"; the nearest name is "${nearest}"`;
}

function endOf({ index, sql }: Statement): number {
  return index + sql.length;
}

/** Returns the end of the first line that is not a comment. */
function endOfNextLine(text: string, from: number): number {
  let index = from;
  for (;;) {
    const end = text.indexOf('\n', index);
    if (end === -1) return text.length;
    if (!/^\s*(--.*)?$/.test(text.slice(index, end))) return end;
    index = end + 1;
  }
}
