import { activitySection } from './activity.js';
import { attentionCard, attentionSection, contactsSection } from './attention.js';
import { auditLogSection } from './audit-log.js';
import { backupsSection, newestTile, provenTile } from './backups.js';
import { connectionsSection, statementsSection, storageSection } from './database.js';
import { formatBytes, withoutStop } from '../core/text.js';
import { horizon } from './horizon.js';
import { html, NOTHING, type Html } from './html.js';
import { sampledLine } from './layout.js';
import { migrationsSection, migrationsTile } from './migrations.js';
import { durationText } from './times.js';
import { verdictCard } from './verdict.js';
import { section, type View } from './view.js';

/** The overview: what is inside `main`. The script reads it again while the page is open. */
export function overviewPage(view: View): Html {
  const { overview, now } = view;
  const isUrgent =
    overview.verdict.status !== 'ready' || overview.attention.some(({ severity }) => severity === 'critical');
  const contacts = contactsSection(overview.contacts, isUrgent);
  return html`<h1 class="hidden">Overview of ${overview.database}</h1>
    ${sampledLine(overview)}${outage(view)}
    <div class="heroes">${verdictCard(overview)}${attentionCard(overview)}</div>
    ${isUrgent ? contacts : NOTHING}
    <dl class="tiles">${tiles(view)}</dl>
    <div class="sections">
      ${attentionSection(view)}${upcomingSection(view, now)}${activitySection(view)}
      <div class="column">${storageSection(view)}${connectionsSection(view)}${migrationsSection(view)}</div>
      <div class="column">${backupsSection(view)}${auditLogSection(view)}</div>
      ${statementsSection(view)}${isUrgent ? NOTHING : contacts}
    </div>`;
}

/** Says, while the database is down, that the rest of the page is from before. */
function outage({ overview, now }: View): Html {
  const { down } = overview.monitoring;
  if (!down) return NOTHING;
  return html`<p class="notice critical" role="status">
    The database has not answered for ${durationText(now.getTime() - Date.parse(down.since))}. What is below
    is from before.
  </p>`;
}

function tiles(view: View): Html[] {
  const { overview } = view;
  return [
    tile('Last proven backup', provenTile(view)),
    tile('Newest backup', newestTile(view)),
    tile('Disk', diskTile(view)),
    tile('Migrations', migrationsTile(overview)),
  ];
}

interface Tile {
  readonly value: Html | string;
  readonly note: string;
  readonly isBad: boolean;
}

function tile(label: string, { value, note, isBad }: Tile): Html {
  return html`<div class="tile${isBad ? ' critical' : ''}">
    <dt>${label}</dt>
    <dd>${value}</dd>
    <dd class="note">${note}</dd>
  </div>`;
}

function diskTile({ overview, now }: View): Tile {
  const size = overview.monitoring.report?.vitals.sizeBytes ?? overview.stats.value?.sizeBytes ?? null;
  const disk = overview.upcoming.find(({ what }) => what === 'disk');
  const bytes = size === null ? 'size not known' : formatBytes(size);
  if (!disk) return { value: bytes, note: 'when it is full is not known', isBad: false };
  if (disk.breaksAt === null) return { value: bytes, note: disk.text, isBad: false };
  const ms = Date.parse(disk.breaksAt) - now.getTime();
  return { value: `full in ${durationText(ms)}`, note: disk.text, isBad: ms < 7 * 86_400_000 };
}

function upcomingSection({ overview }: View, now: Date): Html {
  const next = overview.upcoming.find(({ breaksAt }) => breaksAt !== null);
  const ms = next?.breaksAt ? Date.parse(next.breaksAt) - now.getTime() : Infinity;
  return section({
    id: 'upcoming',
    title: 'Upcoming',
    isWide: true,
    isOpen: ms < 30 * 86_400_000,
    summary: next
      ? `${withoutStop(next.text)}, in ${durationText(ms)}`
      : overview.codes === 0
        ? 'Not known yet'
        : 'Nothing in sight',
    body: horizon(overview.upcoming, now),
  });
}
