import { counted, formatCount, formatTime } from '../core/text.js';
import type { AlertSeverity } from '../config/alert-settings.js';
import type { Notice, NoticedAlert } from './notifier.types.js';

/** Characters that end a line, control a terminal, or reverse the direction of what follows. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;
const UNSAFE_BUT_NEWLINE = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;
const LONGEST_LINE = 1000;
const LONGEST_SQL = 2000;

/** Returns foreign text on one line of at most `longest` characters: names of tables and of sessions are chosen by others. */
export function oneLine(text: string, longest = LONGEST_LINE): string {
  return cut(text.replaceAll(UNSAFE, '\uFFFD'), longest);
}

/** Returns statements without what could leave their block: control characters; newlines stay. */
export function sqlLines(sql: string, longest = LONGEST_SQL): string {
  return cut(sql.replaceAll(UNSAFE_BUT_NEWLINE, '\uFFFD'), longest);
}

function cut(text: string, longest: number): string {
  if (text.length <= longest) return text;
  // Not between the halves of a character.
  return `${text.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

const FIRING: Readonly<Record<AlertSeverity, string>> = { critical: 'CRITICAL', warning: 'Warning' };
const REPEATED: Readonly<Record<AlertSeverity, string>> = {
  critical: 'Still critical',
  warning: 'Still a warning',
};

/** Returns the first line of a notice: how bad, and what. */
export function titleOf({ event, alerts }: Notice): string {
  const [worst] = alerts;
  const what = alerts.length === 1 ? oneLine(worst.text) : manyText(alerts);
  if (event === 'test') return `Test: ${what}`;
  if (event === 'resolved') return `Resolved: ${what}`;
  return `${(event === 'repeat' ? REPEATED : FIRING)[worst.severity]}: ${what}`;
}

function manyText(alerts: readonly NoticedAlert[]): string {
  const critical = alerts.filter(({ severity }) => severity === 'critical').length;
  return `${counted(alerts.length, 'alert')}, ${critical === 0 ? 'none' : formatCount(critical)} of them critical`;
}

/** A message lists this many alerts, the worst. */
const LISTED = 10;

/** Returns the alerts that a message shows, and how many it leaves out. */
export function shownAlerts({ alerts }: Pick<Notice, 'alerts'>): {
  readonly shown: readonly NoticedAlert[];
  readonly omitted: number;
} {
  return { shown: alerts.slice(0, LISTED), omitted: Math.max(0, alerts.length - LISTED) };
}

/** One labelled fact of an alert. */
export interface NoticeFact {
  readonly label: string;
  readonly value: string;
}

/** Returns the facts of a notice about one alert: since when, which code, where, whom to call. */
export function factsOf(notice: Notice, alert: NoticedAlert): NoticeFact[] {
  const { database, environment, event, stillFiring, link } = notice;
  return [
    { label: 'Since', value: `${formatTime(alert.since)} UTC` },
    ...(alert.resolvedAt === null
      ? []
      : [{ label: 'Resolved', value: `${formatTime(alert.resolvedAt)} UTC` }]),
    {
      label: 'Code',
      value: alert.subject === '' ? alert.code : `${alert.code} (${oneLine(alert.subject, 200)})`,
    },
    { label: 'Database', value: `${oneLine(database, 200)} (${environment})` },
    ...(alert.contact === null || event === 'resolved'
      ? []
      : [{ label: 'Call', value: oneLine(alert.contact, 300) }]),
    ...(event === 'resolved' && stillFiring > 0
      ? [{ label: 'Still firing', value: counted(stillFiring, 'alert') }]
      : []),
    ...(link === null ? [] : [{ label: 'Dashboard', value: link }]),
  ];
}

/** Returns one line for each alert of a notice about many, and one for those that are left out. */
export function listedAlerts(notice: Pick<Notice, 'alerts'>): string[] {
  const { shown, omitted } = shownAlerts(notice);
  const lines = shown.map(
    ({ severity, code, text }) => `${FIRING[severity]}: ${oneLine(text, 200)} [${code}]`,
  );
  return omitted === 0 ? lines : [...lines, `${counted(omitted, 'more alert')}: pgkeep lists them.`];
}

/** Returns whether a notice asks for something: then it shows the remedy and the statements. */
export function asksForAction({ event }: Notice): boolean {
  return event !== 'resolved';
}
