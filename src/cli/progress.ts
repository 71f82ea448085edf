import type { BackupProgress, ProgressListener } from '../backup/backup.types.js';
import { formatBytes } from './format.js';
import type { Terminal } from './terminal.js';

const BAR_WIDTH = 24;
/** A phase is named in this many columns, so that the bar stays where it is. */
const PHASE_WIDTH = 'reading back'.length;
const REDRAW_MS = 100;
const LOG_MS = 10_000;

/** Progress that is shown until it is ended. */
export interface ShownProgress {
  readonly listener: ProgressListener;
  /** Takes the bar away. */
  readonly end: () => void;
}

/** Shows how far a backup is: a bar on a terminal, elsewhere a line in the log every ten seconds. */
export function showProgress(terminal: Terminal, logMs = LOG_MS): ShownProgress {
  const { live } = terminal;
  let latest: BackupProgress | undefined;
  const draw = (): void => {
    if (latest && live) live.draw(progressBar(latest).slice(0, live.columns() - 1));
    else if (latest) terminal.err(progressLine(latest));
  };
  // Unreferenced: a process that has nothing else to do may end.
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

/** `dumping       [============>           ]  52 %  104.2 MB of about 200.1 MB` */
export function progressBar(progress: BackupProgress): string {
  const percent = percentOf(progress);
  const phase = progress.phase.padEnd(PHASE_WIDTH);
  if (percent === undefined) return [phase, amount(progress)].join('  ').trimEnd();
  const filled = Math.round((percent / 100) * BAR_WIDTH);
  const bar = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`.padEnd(BAR_WIDTH);
  return `${phase}  [${bar}]  ${String(percent).padStart(3)} %  ${amount(progress)}`;
}

/** `dumping: 104.2 MB of about 200.1 MB, 52 %` */
export function progressLine(progress: BackupProgress): string {
  const percent = percentOf(progress);
  const told = [amount(progress), percent === undefined ? '' : `${percent} %`].filter(Boolean).join(', ');
  return told === '' ? progress.phase : `${progress.phase}: ${told}`;
}

function amount({ phase, bytes, expectedBytes }: BackupProgress): string {
  if (bytes === null) return '';
  if (expectedBytes === undefined) return formatBytes(bytes);
  // The last backup's size is a guess at this one's.
  return `${formatBytes(bytes)} of ${phase === 'dumping' ? 'about ' : ''}${formatBytes(expectedBytes)}`;
}

/** A database that has grown is not done before it is. */
function percentOf({ phase, bytes, expectedBytes }: BackupProgress): number | undefined {
  if (bytes === null || expectedBytes === undefined || expectedBytes === 0) return undefined;
  return Math.min(Math.floor((bytes / expectedBytes) * 100), phase === 'dumping' ? 99 : 100);
}
