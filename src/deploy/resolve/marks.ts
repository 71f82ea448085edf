import { boundedList } from '../../core/text.js';
import { resolveRefused } from '../preconditions.js';
import type { Choice, MigrationState, ResolveOptions } from './resolve.types.js';

const DEPLOY = 'npx pgkeep migrate deploy';

/** Returns the options, the likeliest first. Pure. */
export function choicesOf(
  state: Pick<
    MigrationState,
    'migration' | 'state' | 'verdict' | 'isHere' | 'uncertain' | 'assumedNotRun' | 'invalid'
  >,
): Choice[] {
  const { migration, verdict, isHere } = state;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (state.state === 'unknown') {
    return [
      { command: `git log --all --oneline -- '*/${migration}/*'`, when: 'finds the commit that contains it' },
    ];
  }
  const drops = state.invalid.map((index) => ({
    command: `DROP INDEX CONCURRENTLY ${index};`,
    when: 'first, in psql: the index is invalid',
  }));
  if (state.state === 'rolled back') {
    return verdict === 'all' && isHere && drops.length === 0
      ? [{ command: applied, when: 'everything it creates exists, so a deploy would fail' }]
      : [...drops, { command: DEPLOY, when: 'applies it again; if it is not wanted, delete its directory' }];
  }
  return state.state === 'failed' ? [...drops, ...marks(state)] : [];
}

function marks({
  migration,
  verdict,
  isHere,
  uncertain,
  assumedNotRun,
}: Pick<MigrationState, 'migration' | 'verdict' | 'isHere' | 'uncertain' | 'assumedNotRun'>): Choice[] {
  const back = `npx pgkeep migrate resolve --rolled-back ${migration}`;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (!isHere) return [{ command: back, when: 'if none of it was applied' }];
  const open = uncertain.length > 0;
  switch (verdict) {
    case 'nothing':
      return [
        {
          command: back,
          when: `${assumedNotRun.length === 0 ? '' : 'if you dropped nothing by hand; '}then fix it and deploy again`,
        },
      ];
    case 'all':
      return open
        ? [
            { command: applied, when: 'if the uncertain statements were applied too' },
            { command: `${back} --anyway`, when: 'after undoing all of it by hand' },
          ]
        : [{ command: applied, when: 'everything it creates exists' }];
    case 'some':
      return open
        ? [
            {
              command: back,
              when: 'after undoing what exists and the uncertain statements that were applied',
            },
            {
              command: applied,
              when: 'after applying what is missing and the uncertain statements that were not applied',
            },
          ]
        : [
            { command: back, when: 'after undoing by hand what exists' },
            { command: applied, when: 'after creating by hand what is missing' },
          ];
    default:
      return open
        ? [
            { command: `${back} --anyway`, when: 'if you know that no uncertain statement was applied' },
            { command: applied, when: 'after making sure that all of it was applied' },
          ]
        : [
            { command: back, when: 'if none of it was applied, or it was undone by hand' },
            { command: applied, when: 'if all of it was applied' },
          ];
  }
}

/**
 * Refuses a mark that the history does not allow, or that the database contradicts. Pure.
 * @throws PgkeepError `RESOLVE_REFUSED`.
 */
export function requireMarkAllowed(state: MigrationState, { mark, anyway = false }: ResolveOptions): void {
  const refusal = mark === 'applied' ? appliedFault(state) : rolledBackFault(state);
  if (refusal) throw resolveRefused(refusal.why, refusal.hint);
  if (anyway) return;
  const fault = mark === 'applied' ? missingFault(state) : presentFault(state);
  if (fault) throw resolveRefused(fault.why, fault.hint);
}

interface Fault {
  readonly why: string;
  readonly hint: string;
}

function appliedFault({ migration, state, isHere }: MigrationState): Fault | undefined {
  if (state === 'applied')
    return { why: `migration ${migration} is already applied`, hint: 'There is nothing to do.' };
  if (isHere) return undefined;
  return {
    why: `${migration}/migration.sql is not in this directory, and the history records its checksum`,
    hint: `Restore it from version control. To find it: \`git log --all --oneline -- '*/${migration}/*'\``,
  };
}

function rolledBackFault({ migration, state }: MigrationState): Fault | undefined {
  switch (state) {
    case 'failed':
      return undefined;
    case 'pending':
      return {
        why: `migration ${migration} was never started`,
        hint: '`pgkeep migrate deploy` applies pending migrations.',
      };
    case 'rolled back':
      return { why: `migration ${migration} is already rolled back`, hint: 'There is nothing to do.' };
    default:
      return {
        why: `migration ${migration} is applied`,
        hint: `To roll it back: \`npx pgkeep migrate rollback ${migration}\``,
      };
  }
}

function missingFault(state: MigrationState): Fault | undefined {
  const { migration, notThere, there, verdict, notApplied, invalid } = state;
  if (notThere.length === 0) {
    const names = [...notApplied, ...invalid.map((name) => `index ${name} is invalid`)];
    return names.length === 0 ? undefined : notAppliedFault(migration, names);
  }
  const also = there.length === 0 ? '' : ` (present: ${boundedList(there)})`;
  return {
    why: `migration ${migration} is ${verdict === 'nothing' ? 'not' : 'only partly'} in the database: missing: ${boundedList(notThere)}${also}`,
    hint: [
      'Create what is missing by hand, then run the command again. To mark it as applied regardless:',
      `  npx pgkeep migrate resolve --applied ${migration} --anyway`,
    ].join('\n'),
  };
}

function notAppliedFault(migration: string, names: readonly string[]): Fault {
  return {
    why: `migration ${migration} is not applied completely: ${boundedList(names)}`,
    hint: [
      'Finish it by hand, then run the command again. If it is finished already:',
      `  npx pgkeep migrate resolve --applied ${migration} --anyway`,
    ].join('\n'),
  };
}

function presentFault(state: MigrationState): Fault | undefined {
  const { migration, there, notThere, applied, uncertain } = state;
  if (there.length === 0) {
    if (applied.length + uncertain.length === 0) return undefined;
    const why =
      applied.length > 0
        ? `statements of migration ${migration} are applied: ${boundedList(applied)}`
        : `statements of migration ${migration} may be applied (nothing in the database shows it): ${boundedList(uncertain)}`;
    return {
      why: `${why}; a deploy would run them again`,
      hint: [
        'Check their rows and undo by hand what was applied. Then, or if nothing was applied:',
        `  npx pgkeep migrate resolve --rolled-back ${migration} --anyway`,
      ].join('\n'),
    };
  }
  const also = notThere.length === 0 ? '' : ` (missing: ${boundedList(notThere)})`;
  return {
    why: `objects of migration ${migration} exist: ${boundedList(there)}${also}; a deploy would create them again and fail`,
    hint: [
      notThere.length === 0
        ? `Everything that pgkeep can look for exists: \`npx pgkeep migrate resolve --applied ${migration}\``
        : 'Undo by hand what exists, then run the command again.',
      'To mark it as rolled back regardless:',
      `  npx pgkeep migrate resolve --rolled-back ${migration} --anyway`,
    ].join('\n'),
  };
}
