import { Injectable } from '@nestjs/common';
import { counted } from '../../core/text.js';
import { actionText, withParts } from '../../drift/differences.js';
import type {
  MigrationHistory,
  MigrationsFaultCode,
  MigrationStatus,
} from '../../migrations/migrations.types.js';
import { unenforcedTexts } from '../../postgres/catalogue/unenforced.js';
import type { DatabaseFaultCode } from '../../postgres/database-fault.js';
import type { DriftFacts } from '../drift-watch.js';
import {
  defineCheck,
  outcomeOf,
  outcomeWithoutFacts,
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  type Finding,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const CODES = {
  MIGRATIONS_PENDING: {
    meaning: 'Migrations of this build are not applied.',
    remedy: 'Run `npx pgkeep migrate deploy`.',
  },
  MIGRATIONS_FAILED: {
    meaning: 'A migration began and did not end.',
    remedy: 'Run `npx pgkeep migrate resolve`: it shows what was applied and the options. Then deploy.',
  },
  MIGRATIONS_ROLLED_BACK: {
    meaning: 'A migration was marked as rolled back and not applied since.',
    remedy: 'Run `npx pgkeep migrate deploy`.',
  },
  MIGRATIONS_LOCKED: {
    meaning: 'A deploy holds `_prisma_migrations`; the text names the session.',
    remedy: 'Wait for it. If no deploy is running, end that session.',
  },
  MIGRATIONS_PERMISSION_DENIED: {
    meaning: 'The role may not read `_prisma_migrations`.',
    remedy: 'Give the grants in the text.',
  },
  MIGRATIONS_DIRECTORY_MISSING: {
    meaning: '`MIGRATIONS_DIR` does not exist.',
    remedy: 'Set it, or copy the migrations into the image.',
  },
  MIGRATIONS_DIRECTORY_EMPTY: {
    meaning: 'The directory contains no migration, so nothing can be compared.',
    remedy: 'Set `MIGRATIONS_DIR`, or copy the migrations into the image.',
  },
  MIGRATIONS_DIRECTORY_IS_PGKEEPS: {
    meaning: 'The directory is pgkeep’s own.',
    remedy: 'Set `MIGRATIONS_DIR` to that of the application.',
  },
  MIGRATIONS_FILE_MISSING: {
    meaning: 'A migration has no readable `migration.sql`.',
    remedy: 'Restore the file, or remove the empty directory.',
  },
  MIGRATIONS_PROVIDER_MISMATCH: {
    meaning: '`migration_lock.toml` is for another kind of database.',
    remedy: 'Set `MIGRATIONS_DIR` to the migrations of the PostgreSQL database.',
  },
} as const satisfies Record<
  MigrationsFaultCode | 'MIGRATIONS_PENDING' | 'MIGRATIONS_FAILED' | 'MIGRATIONS_ROLLED_BACK',
  CodeText
>;

type Code = keyof typeof CODES;

/** Reports the check `migrations` in an application's own health check. */
@Injectable()
export class MigrationsHealthIndicator extends CheckHealthIndicator {
  readonly name = 'migrations';
}

export const migrations = defineCheck({
  name: 'migrations',
  question: 'Is everything applied that this build needs?',
  gate: 'enforce',
  restsOn: 'migrations',
  codes: CODES,
  notes: `Reported in \`details\` without failing: applied migrations that this build does not know (a newer version is
being rolled out), files edited after they were applied (in more than comments, and not accepted), and
[changes outside of migrations](drift.md).`,
  indicator: MigrationsHealthIndicator,
  judge,
});

function judge({
  facts: { migrations: report, drift },
}: CheckContext): CheckOutcome<Code | DatabaseFaultCode> {
  if ('reason' in report) return outcomeWithoutFacts(report.reason);
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
    notes: [
      ...statusNotes(status, history, issues !== undefined),
      ...(unjudged.length > 0 ? [`${unjudged.length} changed after being applied, not compared yet`] : []),
      ...driftNotes(drift),
      ...unenforcedTexts(drift?.unenforced ?? []),
    ],
  });
}

function issuesOf({ pending, failed, rolledBack, edited }: MigrationStatus): Finding<Code> | undefined {
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

function statusNotes(
  { unknown, edited }: MigrationStatus,
  history: MigrationHistory,
  editedIsCounted: boolean,
): string[] {
  const notes: string[] = [];
  if (!history.rows) notes.push(`${history.table} does not exist: the database was never migrated`);
  if (history.deployingPid !== undefined) notes.push(`a deploy is running (pid ${history.deployingPid})`);
  if (unknown.length > 0) notes.push(`${unknown.length} applied that this build does not know`);
  if (edited.length > 0 && !editedIsCounted) notes.push(`${edited.length} edited after being applied`);
  return notes;
}

/** Returns nothing where no structure was recorded: then there is nothing to differ from. */
function driftNotes(drift: DriftFacts | undefined): string[] {
  if (!drift) return [];
  if ('reason' in drift.look) return [`drift is not known: ${drift.look.reason}`];
  const look = drift.look.value;
  if (look.kind === 'not-comparable') {
    return [
      'drift is not known: the structure was recorded by another version of pgkeep (pgkeep migrate drift)',
    ];
  }
  if (look.kind !== 'compared') return [];
  const { recorded, objects, appliedSince, goneSince } = look;
  const action = `the ${actionText(recorded.action)} of ${recorded.recordedAt.slice(0, 10)}`;
  if (appliedSince.length + goneSince.length > 0) {
    const ways = [
      ...(appliedSince.length > 0
        ? [`${counted(appliedSince.length, 'migration')} applied by something else`]
        : []),
      ...(goneSince.length > 0 ? [`${counted(goneSince.length, 'migration')} gone from the history`] : []),
    ];
    return [`drift is not known since ${action}: ${ways.join(', ')} (pgkeep migrate drift)`];
  }
  const { length } = withParts(objects);
  if (length === 0) return [];
  return [
    `${counted(length, 'object differs', 'objects differ')} from what ${action} left (pgkeep migrate drift)`,
  ];
}
