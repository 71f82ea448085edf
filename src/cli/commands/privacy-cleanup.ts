import { boundedList, counted, formatCount, pluralOf } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { shareText } from '../../privacy/cleanup/cleanup-limits.js';
import { CleanupService } from '../../privacy/cleanup/cleanup.service.js';
import type { CleanupReport, CleanupRows } from '../../privacy/cleanup/cleanup.types.js';
import { EXIT } from '../errors.js';
import { alignColumns, notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** How many keys of each table are shown; with --verbose, of each table this many. */
const KEYS = 5;
const VERBOSE_KEYS = 1000;

/** `pgkeep privacy cleanup [--dry-run] [--verbose]`: erases marked rows whose grace period is over. */
export const privacyCleanupVerb: Verb = {
  shutsDownGracefully: true,
  prismaProject: 'all-if-valid',
  declare: (command) =>
    command
      .option('--dry-run', 'show what would be erased, erase nothing')
      .option('--verbose', 'list up to 1,000 keys of each table')
      .option('--share <percent>', 'erase up to this share of a table'),
  run: async (app, _parameters, { dryRun, verbose, share }, signal) => {
    const report = await app.get(CleanupService).clean({
      dryRun: dryRun === true,
      keys: verbose === true ? VERBOSE_KEYS : KEYS,
      signal,
      ...(share !== undefined && { maxPercent: percentOf(String(share)) }),
    });
    const isDone = report.failures.length === 0 && report.tooLarge.length === 0;
    return { json: report, text: render(report), exitCode: isDone ? EXIT.done : EXIT.failed };
  },
};

function percentOf(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 100) return Number(text);
  throw new PgkeepError('USAGE_INVALID', `--share must be a whole number from 1 to 100; it is "${text}".`, {
    hint: 'For example: `pgkeep privacy cleanup --share 25`',
  });
}

function render(report: CleanupReport): string {
  const { dryRun, tables, failures, ledger } = report;
  const erasing = tables.filter(({ fate }) => fate === 'delete' || fate === 'anonymize');
  const rows = erasing.reduce((sum, table) => sum + table.rows, 0);
  const marked = `${formatCount(rows)} soft-deleted ${pluralOf(rows, 'row')}`;
  const over = `whose ${counted(report.graceDays, 'day')} ${pluralOf(report.graceDays, 'is', 'are')} over (by the database's clock, ${report.now.slice(0, 19)}Z)`;
  const head = dryRun
    ? `Would clean up ${marked} ${over}. Nothing was touched.`
    : `Cleaned up ${marked} ${over}.`;
  return [
    head,
    ...alignColumns(tableLines(tables), [2]),
    ...neverLine(report),
    ...report.tooLarge.map(
      (share) =>
        `refused    ${shareText(share)} ${pluralOf(share.due, 'is', 'are')} too large a share. If that is right: \`pgkeep privacy cleanup --share ${share.percent}\`.`,
    ),
    ...failures.map(({ table, key, message }) => `failed     ${table} ${key}: ${message}`),
    ...(ledger?.failures ?? []).map(
      ({ location, message }) =>
        `The erasure ledger was not copied to ${location}: ${message} The service tries again every minute.`,
    ),
    ...notRecordedLines(report),
  ].join('\n');
}

function tableLines(tables: readonly CleanupRows[]): string[][] {
  const order = ['delete', 'anonymize', 'keep', 'later'];
  const sorted = tables.toSorted((left, right) => order.indexOf(left.fate) - order.indexOf(right.fate));
  let last: string | undefined;
  return sorted.map((rows) => {
    const { fate, table, keys, because } = rows;
    const shown = fate === last ? '' : fate;
    last = fate;
    const more = rows.rows - keys.length;
    const list = `${keys.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`;
    return [shown.padEnd(9), table, formatCount(rows.rows), list, reason(fate, because)];
  });
}

function reason(fate: CleanupRows['fate'], because: readonly string[]): string {
  if (fate === 'later') return 'locked by another transaction: the next run takes them';
  if (because.length === 0) return '';
  const kept = fate === 'keep' ? '; nothing of them can be anonymized' : '';
  return `${boundedList(because)} refer to them, and stay${kept}`;
}

function neverLine({ never }: CleanupReport): string[] {
  if (never.length === 0) return [];
  const rows = never.reduce((sum, table) => sum + table.rows, 0);
  const names = never.map(({ table }) => table).join(', ');
  return [
    `never      ${names}: ${counted(rows, 'marked row')} ${pluralOf(rows, 'stays', 'stay')} (never deleted, or kept by law)`,
  ];
}
