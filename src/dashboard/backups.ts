import type { BackupEntry } from '../backup/backup.types.js';
import { counted, formatBytes, formatCount, formatSeconds } from '../core/text.js';
import type { JobView } from '../maintenance/maintenance.types.js';
import type { Overview } from '../overview/overview.types.js';
import { html, NOTHING, type Html } from './html.js';
import { icon } from './icons.js';
import { durationText, exactTime, relativeTime } from './times.js';
import { freshness, section, table, type View } from './view.js';

const DAY = 86_400_000;
const DAYS = 30;

/** Returns the newest backup that a restore test has proven; undefined if there is none. */
export function newestProven({ backups }: Overview): BackupEntry | undefined {
  return backups.value?.backups.find(({ restoreTest }) => restoreTest === 'passed');
}

export function jobOf({ jobs }: Overview, name: string): JobView | undefined {
  return jobs.value?.jobs.find((job) => job.name === name);
}

/** Returns whether a backup was proven, in words. */
export function proofText({ restoreTest }: BackupEntry): Html {
  if (restoreTest === 'passed') return html`<span class="good">proven</span>`;
  if (restoreTest === 'failed') return html`<span class="bad">failed its test</span>`;
  return html`<span class="soft">not tested</span>`;
}

/** Shows the kept backups by day, the newest of them, and the buttons. */
export function backupsSection(view: View): Html {
  const { overview, now } = view;
  const list = overview.backups.value?.backups ?? [];
  const [newest] = list;
  return section({
    id: 'backups',
    title: 'Backups',
    href: 'backups',
    isOpen: (overview.backups.value !== null && !newest) || Boolean(jobOf(overview, 'backup')?.overdueSince),
    summary: newest
      ? html`newest ${relativeTime(newest.finishedAt, now)}, ${list.length} kept`
      : overview.backups.value === null
        ? 'Not known'
        : 'There is no backup',
    body: html`${freshness(overview.backups)}${dayStrip(list, now)}${backupTable(list.slice(0, 4))}${actionForms(view)}`,
  });
}

/** Lists backups. */
export function backupTable(list: readonly BackupEntry[]): Html {
  if (list.length === 0) return NOTHING;
  return table({
    caption: 'Backups, newest first',
    className: 'backup-list',
    columns: ['Made (UTC)', 'Reason', { number: 'Size' }, 'Restore test'],
    rows: list.map((entry) => [
      html`<span title="${entry.name}">${exactTime(entry.finishedAt)}</span>`,
      entry.reason,
      formatBytes(entry.bytes),
      proofText(entry),
    ]),
  });
}

/** Returns the last 30 days, each with the best backup that is kept of it. */
export function dayStrip(list: readonly BackupEntry[], now: Date): Html {
  const today = Math.floor(now.getTime() / DAY);
  const byDay = new Map<number, 'proven' | 'made' | 'failed'>();
  for (const { finishedAt, restoreTest } of list) {
    const day = Math.floor(Date.parse(finishedAt) / DAY);
    const state = restoreTest === 'passed' ? 'proven' : restoreTest === 'failed' ? 'failed' : 'made';
    if (byDay.get(day) !== 'proven') byDay.set(day, state);
  }
  const days = Array.from({ length: DAYS }, (_day, index) => today - DAYS + 1 + index);
  const kept = days.filter((day) => byDay.has(day)).length;
  const proven = days.filter((day) => byDay.get(day) === 'proven').length;
  const words = {
    proven: 'kept and proven by a restore',
    made: 'kept',
    failed: 'kept, and failed its restore test',
  };
  return html`<figure class="days">
    <svg
      viewBox="0 0 ${DAYS * 10} 16"
      preserveAspectRatio="none"
      role="img"
      aria-label="Of the last ${DAYS} days, ${kept} have a backup that is kept, ${proven} of them one that a restore has proven"
    >
      ${days.map((day, index) => {
        const state = byDay.get(day);
        const date = new Date(day * DAY).toISOString().slice(0, 10);
        return html`<rect
          class="${state ?? 'none'}"
          x="${index * 10 + 1}"
          y="${state ? 1 : 6}"
          width="8"
          height="${state ? 14 : 4}"
          rx="1.5"
          ><title>${date}: ${state ? words[state] : 'no backup is kept'}</title></rect
        >`;
      })}
    </svg>
    <div class="edge soft" aria-hidden="true"><span>${DAYS} days ago</span><span>today</span></div>
    <figcaption class="legend soft">
      <span class="key proven"></span>proven by a restore <span class="key made"></span>kept
      <span class="key none"></span>none kept
    </figcaption>
  </figure>`;
}

/** Buttons for those whose role allows them. */
export function actionForms({ viewer, overview }: View): Html {
  if (!viewer.mayAct || overview.jobs.value?.enabled !== true) return NOTHING;
  const running = (name: string): boolean => jobOf(overview, name)?.running !== null;
  return html`<div class="actions"><form method="post" action="back-up"><button${running('backup') ? html` disabled` : NOTHING}>${running('backup') ? 'Backing up …' : 'Back up now'}</button></form><form method="post" action="test-restore"><button${running('restore-test') ? html` disabled` : NOTHING}>${running('restore-test') ? 'Testing a restore …' : 'Test a restore'}</button></form></div>`;
}

/** The page of backups. */
export function backupsPage(view: View): Html {
  const { overview, now } = view;
  const list = overview.backups.value;
  const jobs = overview.jobs.value;
  return html`<h1>Backups</h1>
    ${freshness(overview.backups)}
    <section class="card wide">
      <div class="body">${dayStrip(list?.backups ?? [], now)}${actionForms(view)}</div>
    </section>
    ${
      (list?.unreachable.length ?? 0) + (list?.unreadable.length ?? 0) === 0
        ? NOTHING
        : html`<section class="card wide">
            <h2>Not complete</h2>
            <ul>
              ${list?.unreachable.map(({ location, message }) => html`<li>${icon('warning')} ${location} does not answer: ${message}</li>`)}${list?.unreadable.map((name) => html`<li>${icon('warning')} the manifest of ${name} cannot be read</li>`)}
            </ul>
          </section>`
    }
    <section class="card wide">
      <h2>Kept backups</h2>
      ${
        list && list.backups.length > 0
          ? table({
              caption: `${counted(list.backups.length, 'backup')}, newest first`,
              className: 'stack',
              columns: ['Name', 'Made (UTC)', 'Reason', { number: 'Size' }, 'Where', 'Restore test'],
              rows: list.backups.map((entry) => [
                html`<code>${entry.name}</code
                  >${entry.pinned ? html` <span class="tag">pinned</span>` : NOTHING}${entry.encrypted ? html` <span class="tag">encrypted</span>` : NOTHING}${entry.without.length === 0 ? NOTHING : html`<br /><span class="bad">without ${entry.without.join(', ')}</span>`}`,
                exactTime(entry.finishedAt),
                entry.reason,
                formatBytes(entry.bytes),
                entry.locations.join(', '),
                proofText(entry),
              ]),
            })
          : html`<p class="soft">There is no backup.</p>`
      }
    </section>
    <section class="card wide">
      <h2>Jobs</h2>
      ${freshness(overview.jobs)}${
        jobs
          ? html`${jobs.enabled ? NOTHING : html`<p class="bad">Backups are off: set BACKUP_ENABLED=true.</p>`}${table(
              {
                caption: `The schedule, in ${jobs.timeZone}`,
                className: 'stack',
                columns: ['Job', 'Schedule', 'Next', 'Newest runs'],
                rows: jobs.jobs.map((job) => [
                  job.name,
                  job.schedule ?? (job.after === null ? 'off' : `after ${job.after}`),
                  job.nextDueAt === null ? '–' : exactTime(job.nextDueAt),
                  html`<ul class="plain">
                    ${job.runs.slice(0, 3).map(
                      (run) =>
                        html`<li>
                          <span
                            class="${run.state === 'failed' || run.state === 'lost' ? 'bad' : run.state === 'succeeded' ? 'good' : 'soft'}"
                            >${run.state}</span
                          >
                          ${exactTime(run.startedAt ?? run.dueAt)}${run.error ? html`<br />${run.error.message}` : NOTHING}
                        </li>`,
                    )}
                  </ul>`,
                ]),
              },
            )}`
          : NOTHING
      }
    </section>`;
}

/** Returns the tile of the last proven backup. */
export function provenTile({ overview, now }: View): { value: Html | string; note: string; isBad: boolean } {
  const test = overview.restoreTests.value?.tests.find(({ verdict }) => verdict === 'passed');
  const proven = newestProven(overview);
  if (overview.backups.value === null)
    return { value: 'not known', note: overview.backups.fault ?? 'not read yet', isBad: false };
  if (!proven) return { value: 'never', note: 'no kept backup has passed a restore test', isBad: true };
  const took =
    test?.backup === proven.name
      ? `restored and compared in ${formatSeconds(test.durationMs)}`
      : 'passed its restore test';
  return { value: relativeTime(proven.finishedAt, now), note: took, isBad: false };
}

/** Returns the tile of the newest backup. */
export function newestTile({ overview, now }: View): { value: Html | string; note: string; isBad: boolean } {
  const { value, fault } = overview.backups;
  if (value === null) return { value: 'not known', note: fault ?? 'not read yet', isBad: false };
  const [newest] = value.backups;
  const next = jobOf(overview, 'backup')?.nextDueAt;
  const due = next ? `next in ${durationText(Date.parse(next) - now.getTime())}` : 'none is scheduled';
  if (!newest) return { value: 'none', note: due, isBad: true };
  return {
    value: relativeTime(newest.finishedAt, now),
    note: `${formatBytes(newest.bytes)}; ${formatCount(value.backups.length)} kept; ${due}`,
    isBad: false,
  };
}
