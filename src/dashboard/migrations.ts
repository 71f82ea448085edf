import { boundedList, counted } from '../core/text.js';
import type { MigrationStatus } from '../migrations/migrations.types.js';
import type { Overview } from '../overview/overview.types.js';
import { html, NOTHING, prose, type Html } from './html.js';
import { icon } from './icons.js';
import { exactTime } from './times.js';
import { freshness, section, table, type View } from './view.js';

const REASONS = {
  'not-installed': 'pgkeep is not installed in the database: run `pgkeep install`.',
  'not-recorded': 'No structure was recorded yet: the first `pgkeep migrate deploy` records it.',
  'not-comparable': 'The structure was recorded by another version of pgkeep.',
  deploying: 'Migrations are being applied now.',
  'migrations-since': 'Migrations were applied by a program that does not record the structure.',
} as const;

/** Returns what is wrong with the migrations, in words: `1 pending, 1 failed`. */
function troubleOf({ pending, failed, rolledBack, edited, unknown }: MigrationStatus): string {
  const parts: readonly (readonly [readonly string[], string])[] = [
    [failed, 'failed'],
    [pending, 'pending'],
    [rolledBack, 'rolled back'],
    [edited, 'edited after it was applied'],
    [unknown, 'not in this build'],
  ];
  return parts
    .filter(([names]) => names.length > 0)
    .map(([names, what]) => `${names.length} ${what}`)
    .join(', ');
}

/** Returns the structure's state in words, and whether it is a fault. */
function driftOf({ drift }: Overview): { text: string; isBad: boolean } {
  if (drift.value === null) return { text: 'drift not known', isBad: false };
  const { verdict, objects } = drift.value;
  if (verdict === 'none') return { text: 'no drift', isBad: false };
  if (verdict === 'unknown') return { text: 'drift not known', isBad: false };
  return {
    text: `${counted(objects.length, 'object differs', 'objects differ')} from the recorded structure`,
    isBad: true,
  };
}

/** Returns the tile of migrations. */
export function migrationsTile(overview: Overview): { value: string; note: string; isBad: boolean } {
  const { value, fault } = overview.migrations;
  if (value === null) return { value: 'not known', note: fault ?? 'not read yet', isBad: false };
  const { applied, pending, failed, rolledBack } = value;
  const total = applied.length + pending.length + failed.length + rolledBack.length;
  const trouble = troubleOf(value);
  const drift = driftOf(overview);
  return {
    value: `${applied.length} of ${total}`,
    note: [trouble || 'none pending', drift.text].join('; '),
    isBad: pending.length + failed.length + rolledBack.length > 0,
  };
}

/** Shows which migrations are applied, and whether the structure is the recorded one. */
export function migrationsSection({ overview }: View): Html {
  const { value } = overview.migrations;
  const trouble = value ? troubleOf(value) : '';
  const drift = driftOf(overview);
  return section({
    id: 'migrations',
    title: 'Migrations',
    href: 'migrations',
    isOpen: trouble !== '' || drift.isBad,
    summary: value
      ? `${value.applied.length} applied${trouble && `; ${trouble}`}; ${drift.text}`
      : 'Not known',
    body: html`${freshness(overview.migrations)}${
      value
        ? html`<ul class="plain lines">
            <li>
              ${icon(trouble ? 'warning' : 'ok')} ${counted(value.applied.length, 'migration')}
              applied${trouble && `; ${trouble}`}${value.pending.length > 0 ? html`: ${boundedList(value.pending, 3)}` : NOTHING}
            </li>
            <li>
              ${icon(drift.isBad ? 'warning' : overview.drift.value?.verdict === 'none' ? 'ok' : 'unknown')}
              ${sentence(drift.text)}
            </li>
            ${newest(value)}
          </ul>`
        : NOTHING
    }`,
  });
}

function newest({ applied }: MigrationStatus): Html {
  const last = applied.at(-1);
  return last === undefined ? NOTHING : html`<li class="soft">Newest: <code>${last}</code></li>`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const LISTS: readonly (readonly [keyof MigrationStatus, string, string])[] = [
  ['failed', 'Failed', 'Run `pgkeep migrate resolve NAME`: it shows what was applied, and the options.'],
  ['pending', 'Pending', 'Run `pgkeep migrate deploy`: it shows its plan, backs up, then applies them.'],
  ['rolledBack', 'Rolled back', 'They are applied by the next deploy.'],
  ['edited', 'Edited after they were applied', 'Run `pgkeep migrate lint`: it shows what changed.'],
  ['unknown', 'Applied, and not in this build', 'The database is ahead of this build.'],
  ['applied', 'Applied', ''],
];

/** The page of migrations and drift. */
export function migrationsPage({ overview }: View): Html {
  const { value } = overview.migrations;
  return html`<h1>Migrations</h1>
    ${freshness(overview.migrations)}
    ${
      value === null
        ? NOTHING
        : LISTS.filter(([list]) => value[list].length > 0 || list === 'applied').map(
            ([list, title, hint]) =>
              html`<section class="card wide">
                <h2>${title} <span class="count">${value[list].length}</span></h2>
                ${hint === '' ? NOTHING : html`<p class="soft">${prose(hint)}</p>`}
                <ul class="plain names">
                  ${value[list].toReversed().map((name) => html`<li><code>${name}</code></li>`)}
                </ul>
              </section>`,
          )
    }
    <section class="card wide">
      <h2>Drift</h2>
      ${freshness(overview.drift)}${driftDetails(overview)}
    </section>`;
}

function driftDetails({ drift }: Overview): Html {
  const report = drift.value;
  if (report === null) return NOTHING;
  const recorded = report.recorded
    ? html`<p class="soft">
        Compared with the structure that ${report.recorded.action} recorded on
        ${exactTime(report.recorded.recordedAt)} UTC.
      </p>`
    : NOTHING;
  if (report.verdict === 'none')
    return html`<p class="calm">${icon('ok')} The structure is the recorded one.</p>
      ${recorded}`;
  if (report.verdict === 'unknown') {
    return html`<p>${icon('unknown')} ${prose(report.reason ? REASONS[report.reason] : 'Not known.')}</p>
      ${recorded}`;
  }
  return html`${recorded}
    <p>
      Add a migration, or revert the change. To accept the current structure:
      <code>pgkeep migrate drift --accept</code>
    </p>
    ${table({
      caption: counted(report.objects.length, 'object that differs', 'objects that differ'),
      className: 'stack',
      columns: ['Table', 'Object', 'Change', 'Was', 'Is'],
      rows: report.objects.map(({ home, object, change, was, is }) => [
        home,
        object,
        change,
        html`<code>${was ?? '–'}</code>`,
        html`<code>${is ?? '–'}</code>`,
      ]),
    })}`;
}
