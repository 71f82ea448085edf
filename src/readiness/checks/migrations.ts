import { counted } from '../../core/text.js';
import { actionText, withParts } from '../../drift/differences.js';
import type {
  MigrationHistory,
  MigrationsReport,
  MigrationStatus,
} from '../../migrations/migrations.types.js';
import { unenforcedTexts } from '../../postgres/catalogue/unenforced.js';
import type { DriftFacts } from '../drift-watch.js';
import { notAsked, outcomeOf } from '../outcome.js';
import type { CheckOutcome, Finding, Known } from '../readiness.types.js';

/**
 * Are all of this build's migrations applied, cleanly? Being ahead, edited files, drift and what is not enforced are
 * reported, and do not fail.
 */
export function checkMigrations(report: Known<MigrationsReport>, drift?: DriftFacts): CheckOutcome {
  if ('fault' in report) return notAsked(report.fault);
  if ('fault' in report.value) {
    const { code, text, hint } = report.value.fault;
    return outcomeOf('', { failing: [{ code, text: `${text}. ${hint}` }] });
  }
  const { status, history, unjudged } = report.value;
  const total =
    status.applied.length + status.pending.length + status.failed.length + status.rolledBack.length;
  const issues = issuesOf(status);
  return outcomeOf(`${status.applied.length}/${total} migrations applied`, {
    failing: issues ? [issues] : [],
    told: [
      ...toldOf(status, history, issues !== undefined),
      ...(unjudged.length > 0 ? [`${unjudged.length} changed after being applied, not compared yet`] : []),
      ...toldOfDrift(drift),
      ...unenforcedTexts(drift?.unenforced ?? []),
    ],
  });
}

function issuesOf({ pending, failed, rolledBack, edited }: MigrationStatus): Finding | undefined {
  const code =
    (failed.length > 0 && 'MIGRATIONS_FAILED') ||
    (pending.length > 0 && 'MIGRATIONS_PENDING') ||
    (rolledBack.length > 0 && 'MIGRATIONS_ROLLED_BACK');
  if (!code) return undefined;
  const counts = [
    [pending.length, 'pending'],
    [failed.length, 'failed'],
    [rolledBack.length, 'rolled back'],
    [edited.length, 'edited'],
  ] as const;
  const parts = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return { code, text: `Migration issues: ${parts.join(', ')}` };
}

function toldOf(
  { unknown, edited }: MigrationStatus,
  history: MigrationHistory,
  editedIsCounted: boolean,
): string[] {
  const told: string[] = [];
  if (!history.rows) told.push(`${history.table} does not exist: the database was never migrated`);
  if (history.deployingPid !== undefined) told.push(`a deploy is running (pid ${history.deployingPid})`);
  if (unknown.length > 0) told.push(`${unknown.length} applied that this build does not know`);
  if (edited.length > 0 && !editedIsCounted) told.push(`${edited.length} edited after being applied`);
  return told;
}

/** Nothing where nobody recorded what is expected: then there is nothing to differ from. */
function toldOfDrift(drift: DriftFacts | undefined): string[] {
  if (!drift) return [];
  if ('reason' in drift) return [`drift is not known: ${drift.reason}`];
  const { look } = drift;
  if (look.kind === 'not-comparable') {
    return ['drift is not known: another version of pgkeep looked last (pgkeep migrate drift)'];
  }
  if (look.kind !== 'compared') return [];
  const { recorded, objects, appliedSince, goneSince } = look;
  const leftBy = `the ${actionText(recorded.action)} of ${recorded.recordedAt.slice(0, 10)}`;
  if (appliedSince.length + goneSince.length > 0) {
    const ways = [
      ...(appliedSince.length > 0
        ? [`${counted(appliedSince.length, 'migration')} applied by something else`]
        : []),
      ...(goneSince.length > 0 ? [`${counted(goneSince.length, 'migration')} gone from the history`] : []),
    ];
    return [`drift is not known since ${leftBy}: ${ways.join(', ')} (pgkeep migrate drift)`];
  }
  const { length } = withParts(objects);
  if (length === 0) return [];
  return [
    `${counted(length, 'object differs', 'objects differ')} from what ${leftBy} left (pgkeep migrate drift)`,
  ];
}
