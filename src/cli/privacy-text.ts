import type { Known } from '../core/known.js';
import {
  boundedList,
  counted,
  formatBytes,
  formatTime,
  pluralOf,
  printableCell,
  shellWord,
} from '../core/text.js';
import { retainedText } from '../privacy/privacy-texts.js';
import type {
  BackupCopies,
  HoldReport,
  PrivacyLog,
  Receipt,
  RecordAction,
  RecordName,
  SubjectExport,
} from '../privacy/privacy.types.js';
import { recordText } from '../privacy/record-key.js';
import { alignColumns } from './render.js';

/** Returns what an action did, as a person who handles the request reads it. */
export function renderReceipt(receipt: Receipt): string {
  const { what, rows, retained, action, ledgerDigest, copies } = receipt;
  const affected = Object.entries(rows).map(([model, count]) => `${counted(count, 'row')} of ${model}`);
  const erases = what === 'anonymize' || what === 'hard-delete';
  return [
    `${doneText(what, recordText(receipt))}: ${affected.join(', ') || 'no rows'}.`,
    ...(what === 'soft-delete' ? markedLines(receipt) : []),
    ...(erases && retained.length > 0 ? [`Kept by law: ${retainedText(retained)}.`] : []),
    ...(copies === null ? [] : [copiesText(copies)]),
    `Receipt: action ${action}, ledger sha256 ${ledgerDigest}`,
  ].join('\n');
}

function doneText(what: RecordAction, record: string): string {
  switch (what) {
    case 'soft-delete':
      return `Marked ${record} as deleted`;
    case 'restore-record':
      return `Restored ${record}`;
    case 'hard-delete':
      return `Erased ${record}`;
    default:
      return `Anonymized ${record}`;
  }
}

function markedLines({ model, id, referring, keptUntil }: Receipt): string[] {
  const rows = referring.map((one) => `${counted(one.rows, 'row')} of ${one.model}`);
  return [
    keptUntil === null
      ? 'It is hidden from the application, and never erased.'
      : `It is hidden from the application, and not erased: its grace period ends on ${keptUntil.slice(0, 10)}. Then a cleanup erases it.`,
    ...(rows.length > 0 ? [`Still referring to it: ${boundedList(rows)}.`] : []),
    `To undo: \`pgkeep privacy restore ${model} ${shellWord(id)} --by WHO --because TEXT\``,
  ];
}

function copiesText(copies: Known<BackupCopies>): string {
  if (!('value' in copies)) return `Backups: until when they contain it is not known: ${copies.reason}`;
  const { backups, until, pinned } = copies.value;
  if (until === null) return 'Backups: none contain it.';
  const pins =
    pinned.length === 0
      ? ''
      : `; ${boundedList(pinned)} as long as ${pluralOf(pinned.length, 'it is', 'they are')} pinned`;
  const passing = backups - pinned.length;
  const last = passing === 0 ? '' : ` until ${until.slice(0, 10)} (${counted(passing, 'backup')})`;
  return `Backups contain it${last}${pins}. A restore of one erases it again.`;
}

/** Returns where an export is, and what is in it. */
export function renderExport({
  model,
  id,
  file,
  page,
  bytes,
  rows,
  retained,
  omitted,
}: SubjectExport): string {
  const found = Object.entries(rows).map(([name, count]) => `${counted(count, 'row')} of ${name}`);
  return [
    `Exported ${recordText({ model, id })}: ${found.join(', ')}.`,
    `  ${file}  ${formatBytes(bytes)}`,
    ...(page === null ? [] : [`  ${page}`]),
    ...(retained.length > 0 ? [`Kept by law: ${retainedText(retained)}.`] : []),
    ...(omitted.length > 0 ? [`Left out: ${omitted.join(', ')}.`] : []),
  ].join('\n');
}

/** Returns what a hold, or its release, changed. */
export function renderHold({ model, id, changed, held, until }: HoldReport): string {
  const name = recordText({ model, id });
  if (!held) return changed ? `Released ${name}.` : `${name} is not held. Nothing was changed.`;
  const end = until === null ? 'until it is released' : `until ${until}`;
  return changed
    ? `${name} and what belongs to it are kept from erasure ${end}.`
    : `${name} is held already, ${end}. Nothing was changed.`;
}

/** Returns the actions of the ledger, one on each line. */
export function renderPrivacyLog({ total, actions }: PrivacyLog, record: RecordName | undefined): string {
  if (total === 0) {
    return record === undefined
      ? 'Nothing was recorded yet.'
      : `Nothing was recorded about ${recordText(record)}.`;
  }
  const heading = ['time', 'action', 'by', 'role', 'rows', 'receipt'];
  const lines = actions.map(({ at, what, by, role, rows, action }) => [
    formatTime(at),
    what,
    by ?? '–',
    role,
    Object.entries(rows)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || '–',
    action,
  ]);
  const table = alignColumns([heading, ...lines.map((line) => line.map((cell) => printableCell(cell)))]);
  if (actions.length < total) {
    table.push('', `The newest ${actions.length} of ${total} actions. To show more: --limit NUMBER.`);
  }
  return table.join('\n');
}
