import type { PgkeepError } from '../../core/errors.js';
import type { MigrationHistory, MigrationStatus } from '../../migrations/migrations.types.js';
import type { EditedFile } from '../../migrations/lint/edited-files.js';
import { countedList } from '../../core/text.js';
import { refused } from '../refusals.js';

/** What the history lets a deploy do. */
export interface HistoryVerdict {
  /** Names, in the order in which they are applied; those that were rolled back are applied again. */
  readonly pending: readonly string[];
  /** Why nothing may be applied. */
  readonly refusal: PgkeepError | undefined;
  /** What is odd, and stops nothing. */
  readonly notes: readonly string[];
}

/**
 * Judges history against directory, where no migration failed. What is wrong stops a deploy that has something to
 * apply, and is told by one that has nothing: an older build must still be able to take over. Pure.
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
        text: `the directory is older than the database, which has ${countedList('migration', unknown)} beside it`,
        hint: 'Deploy the build that the database was migrated by, or a newer one.',
      },
    ];
  }
  return [
    {
      text: `the directory has a gap: the database has ${countedList('migration', inside)}, and the directory has later ones only`,
      hint: `Bring it back from version control: \`git log --all --oneline -- '*/${inside[0]}/*'\` shows where it is.`,
    },
  ];
}

function editedFaults(files: readonly EditedFile[]): Fault[] {
  const edited = files.filter((file) => file.acceptedBecause === undefined).map(({ name }) => name);
  const [first] = edited;
  if (first === undefined) return [];
  return [
    {
      text: `${countedList('migration', edited)} was changed after it was applied`,
      hint: [
        `Restore the file from version control (\`git log -p -- '*/${first}/*'\`), and write the change as a new migration.`,
        'Where the change is harmless, record that it is accepted, and commit the file that this writes:',
        `  npx pgkeep migrate lint --accept-edit ${first} --because "…"`,
      ].join('\n'),
    },
  ];
}

/** Migrations from a branch that was merged late. */
function lateFaults({ applied }: MigrationStatus, pending: readonly string[]): Fault[] {
  const newest = applied.toSorted().at(-1) ?? '';
  const late = pending.filter((name) => name < newest);
  if (late.length === 0) return [];
  return [
    {
      text: `${countedList('migration', late)} comes before ${newest}, which is applied already: it was never tried in this order`,
      hint: 'Give its directory a later time in its name; or, where the order does not matter: `pgkeep migrate deploy --out-of-order`.',
    },
  ];
}
