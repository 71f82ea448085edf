import type { BackupProgress, ProgressListener } from '../backup/backup.types.js';
import { formatBytes } from '../core/text.js';
import type { Terminal } from './terminal.js';

const BAR_WIDTH = 24;
/** What a phase is called on the terminal. */
const LABELS: Readonly<Record<BackupProgress['phase'], string>> = {
  dumping: 'dumping',
  'reading back': 'verifying',
  'copying to the buckets': 'copying to the buckets',
};
/** The width of the label, so that the bar does not move. */
const LABEL_WIDTH = LABELS['reading back'].length;
const REDRAW_MS = 100;
const LOG_MS = 10_000;

/** Progress that is shown until it is ended. */
export interface ShownProgress {
  readonly listener: ProgressListener;
  /** Removes the bar. */
  readonly end: () => void;
}

/** Shows the progress of a backup: a bar on a terminal, elsewhere a line in the log every ten seconds. */
export function showProgress(terminal: Terminal, logMs = LOG_MS): ShownProgress {
  const { live } = terminal;
  let latest: BackupProgress | undefined;
  const draw = (): void => {
    if (latest && live) live.draw(progressBar(latest).slice(0, live.columns() - 1));
    else if (latest) terminal.err(progressLine(latest));
  };
  // Unreferenced, so that the timer does not keep the process alive.
  const timer = setInterval(draw, live ? REDRAW_MS : logMs).unref();
  return {
    listener: (progress) => {
      const isFirst = latest?.phase !== progress.phase;
      latest = progress;
      if (isFirst && live) draw();
    },
    end: () => {
      clearInterval(timer);
      live?.draw('');
    },
  };
}

/** Returns `dumping    [============>           ]  52 %  104.2 MB of about 200.1 MB`. */
export function progressBar(progress: BackupProgress): string {
  const percent = percentOf(progress);
  const label = LABELS[progress.phase].padEnd(LABEL_WIDTH);
  if (percent === undefined) return [label, amount(progress)].join('  ').trimEnd();
  const filled = Math.round((percent / 100) * BAR_WIDTH);
  const bar = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`.padEnd(BAR_WIDTH);
  return `${label}  [${bar}]  ${String(percent).padStart(3)} %  ${amount(progress)}`;
}

/** Returns `dumping: 104.2 MB of about 200.1 MB, 52 %`. */
export function progressLine(progress: BackupProgress): string {
  const percent = percentOf(progress);
  const label = LABELS[progress.phase];
  const details = [amount(progress), percent === undefined ? '' : `${percent} %`].filter(Boolean).join(', ');
  return details === '' ? label : `${label}: ${details}`;
}

function amount({ phase, bytes, expectedBytes }: BackupProgress): string {
  if (bytes === null) return '';
  if (expectedBytes === undefined) return formatBytes(bytes);
  // While dumping, the expected size is an estimate from the last backup.
  return `${formatBytes(bytes)} of ${phase === 'dumping' ? 'about ' : ''}${formatBytes(expectedBytes)}`;
}

/** Returns the percentage; at most 99 while dumping, because the expected size is an estimate. */
function percentOf({ phase, bytes, expectedBytes }: BackupProgress): number | undefined {
  if (bytes === null || expectedBytes === undefined || expectedBytes === 0) return undefined;
  return Math.min(Math.floor((bytes / expectedBytes) * 100), phase === 'dumping' ? 99 : 100);
}
