import type { PgkeepError } from '../../core/errors.js';
import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import type { EditedFile } from '../../migrations/lint/edited-files.js';
import { countedList } from '../../core/text.js';
import { refused } from '../refusals.js';

/** What the history allows a deploy to do. */
export interface HistoryVerdict {
  /** Names, in the order in which they are applied; rolled back ones are applied again. */
  readonly pending: readonly string[];
  /** Why nothing may be applied. */
  readonly refusal: PgkeepError | undefined;
  /** Remarks that stop nothing. */
  readonly notes: readonly string[];
}

/**
 * Compares the history with the directory, when no migration failed. A fault stops a deploy that has something to
 * apply, and is only noted otherwise: it must be possible to deploy an older build again. Pure.
 */
export function judgeHistory(
  status: MigrationStatus,
  { rows = [] }: Pick<MigrationHistory, 'rows'>,
  edited: readonly EditedFile[],
  outOfOrder: boolean,
): HistoryVerdict {
  const pending = [...status.pending, ...status.rolledBack].toSorted();
  const faults = [...unknownFaults(status, rows), ...editedFaults(edited)];
  const accepted = edited.flatMap(({ name, acceptedBecause: why }) =>
    why === undefined ? [] : [`migration ${name} was changed after it was applied; accepted because ${why}`],
  );
  const notes = [...accepted, ...(pending.length === 0 ? faults.map(({ text }) => text) : [])];
  if (pending.length === 0) return { pending, refusal: undefined, notes };
  const [fault] = [...faults, ...(outOfOrder ? [] : lateFaults(status, pending))];
  return { pending, refusal: fault && refused(fault.text, fault.hint), notes };
}

interface Fault {
  readonly text: string;
  readonly hint: string;
}

function unknownFaults(status: MigrationStatus, rows: NonNullable<MigrationHistory['rows']>): Fault[] {
  const applied = new Set(rows.filter((row) => row.finished && !row.rolledBack).map(({ name }) => name));
  const unknown = status.unknown.filter((name) => applied.has(name));
  const [first] = unknown;
  if (first === undefined) return [];
  const last = [...status.applied, ...status.pending, ...status.rolledBack].toSorted().at(-1) ?? '';
  const inside = unknown.filter((name) => name < last);
  if (inside.length === 0) {
    return [
      {
        text: `the database is ahead of this directory: it has ${countedList('migration', unknown)}`,
        hint: 'Deploy the version that migrated the database, or a newer one.',
      },
    ];
  }
  return [
    {
      text: `the directory has a gap: it lacks ${countedList('migration', inside)}, applied in the database, and has later ones`,
      hint: `Restore it from version control. To find it: \`git log --all --oneline -- '*/${inside[0]}/*'\``,
    },
  ];
}

function editedFaults(files: readonly EditedFile[]): Fault[] {
  const edited = files.filter((file) => file.acceptedBecause === undefined).map(({ name }) => name);
  const [first] = edited;
  if (first === undefined) return [];
  return [
    {
      text:
        edited.length === 1
          ? `${countedList('migration', edited)} was changed after it was applied`
          : `${countedList('migration', edited)} were changed after they were applied`,
      hint: [
        `Restore the file from version control (\`git log -p -- '*/${first}/*'\`), and write the change as a new migration.`,
        'If the change is harmless, accept it and commit the file that this writes:',
        `  npx pgkeep migrate lint --accept-edit ${first} --because "…"`,
      ].join('\n'),
    },
  ];
}

/** Finds migrations from a branch that was merged late. */
function lateFaults({ applied }: MigrationStatus, pending: readonly string[]): Fault[] {
  const newest = applied.toSorted().at(-1) ?? '';
  const late = pending.filter((name) => name < newest);
  if (late.length === 0) return [];
  return [
    {
      text: `${countedList('migration', late)} ${late.length === 1 ? 'sorts' : 'sort'} before ${newest}, which is already applied; this order was never tested`,
      hint: 'Rename its directory with a later timestamp. If the order does not matter: `pgkeep migrate deploy --out-of-order`.',
    },
  ];
}
