import { boundedList } from '../../core/text.js';
import { resolveRefused } from '../refusals.js';
import type { Choice, MigrationState, ResolveOptions } from './resolve.types.js';

const DEPLOY = 'npx pgkeep migrate deploy';

/** What to choose from, the likeliest first. Pure. */
export function choicesOf(
  state: Pick<MigrationState, 'migration' | 'state' | 'verdict' | 'isHere' | 'uncertain' | 'invalid'>,
): Choice[] {
  const { migration, verdict, isHere } = state;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (state.state === 'unknown') {
    return [
      { command: `git log --all --oneline -- '*/${migration}/*'`, when: 'shows the build that has it' },
    ];
  }
  const drops = state.invalid.map((index) => ({
    command: `DROP INDEX CONCURRENTLY ${index};`,
    when: 'first, in psql: the index is not valid',
  }));
  if (state.state === 'rolled back') {
    return verdict === 'all' && isHere && drops.length === 0
      ? [{ command: applied, when: 'all of it is there, so a deploy would fail' }]
      : [...drops, { command: DEPLOY, when: 'applies it again; or take its directory away' }];
  }
  return state.state === 'failed' ? [...drops, ...marks(state)] : [];
}

function marks({
  migration,
  verdict,
  isHere,
  uncertain,
}: Pick<MigrationState, 'migration' | 'verdict' | 'isHere' | 'uncertain'>): Choice[] {
  const back = `npx pgkeep migrate resolve --rolled-back ${migration}`;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (!isHere) return [{ command: back, when: 'when nothing of it is there' }];
  const open = uncertain.length > 0;
  switch (verdict) {
    case 'nothing':
      return [{ command: back, when: 'then mend it, and deploy it again' }];
    case 'all':
      return open
        ? [
            { command: applied, when: 'when the uncertain statements were applied as well' },
            { command: `${back} --anyway`, when: 'after you undid all of it by hand' },
          ]
        : [{ command: applied, when: 'all of it is there' }];
    case 'some':
      return open
        ? [
            {
              command: back,
              when: 'after you undid what is there, and the uncertain statements that were applied',
            },
            {
              command: applied,
              when: 'after you applied what is missing, and the uncertain statements that were not applied',
            },
          ]
        : [
            { command: back, when: 'after you took back by hand what is there' },
            { command: applied, when: 'after you made by hand what is not' },
          ];
    default:
      return open
        ? [
            { command: `${back} --anyway`, when: 'when you know that no uncertain statement is applied' },
            { command: applied, when: 'after you made sure that all of it is applied' },
          ]
        : [
            { command: back, when: 'when nothing of it is there, or it was taken back by hand' },
            { command: applied, when: 'when all of it is there' },
          ];
  }
}

/**
 * Refuses a mark that the history does not allow, or that what is in the database contradicts. Pure.
 * @throws PgkeepError `RESOLVE_REFUSED`.
 */
export function requireFitting(state: MigrationState, { mark, anyway = false }: ResolveOptions): void {
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
    return { why: `migration ${migration} is applied already`, hint: 'There is nothing to do.' };
  if (isHere) return undefined;
  return {
    why: `there is no ${migration}/migration.sql here, and the history keeps its checksum`,
    hint: `Bring it back from version control: \`git log --all --oneline -- '*/${migration}/*'\` shows where it is.`,
  };
}

function rolledBackFault({ migration, state }: MigrationState): Fault | undefined {
  switch (state) {
    case 'failed':
      return undefined;
    case 'pending':
      return {
        why: `migration ${migration} was never begun`,
        hint: 'See `pgkeep migrate status`; a deploy applies what is pending.',
      };
    case 'rolled back':
      return { why: `migration ${migration} is rolled back already`, hint: 'There is nothing to do.' };
    default:
      return {
        why: `migration ${migration} is applied`,
        hint: `To take it back: \`npx pgkeep migrate rollback ${migration}\``,
      };
  }
}

function missingFault(state: MigrationState): Fault | undefined {
  const { migration, notThere, there, verdict, notApplied, invalid } = state;
  if (notThere.length === 0) {
    const names = [...notApplied, ...invalid.map((name) => `index ${name} is not valid`)];
    return names.length === 0 ? undefined : notAppliedFault(migration, names);
  }
  const also = there.length === 0 ? '' : ` (there: ${boundedList(there)})`;
  return {
    why: `migration ${migration} is not in the database: ${verdict === 'nothing' ? 'nothing of it is there; ' : ''}missing: ${boundedList(notThere)}${also}`,
    hint: [
      'Make by hand what is missing, then the same again. Or, where that is known and meant:',
      `  npx pgkeep migrate resolve --applied ${migration} --anyway`,
    ].join('\n'),
  };
}

function notAppliedFault(migration: string, names: readonly string[]): Fault {
  return {
    why: `migration ${migration} is not applied completely: ${boundedList(names)}`,
    hint: [
      'Finish it by hand, then the same again. Or, where it is finished:',
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
        : `statements of migration ${migration} may be applied, and nothing in the database shows it: ${boundedList(uncertain)}`;
    return {
      why: `${why}; a deploy would run them again`,
      hint: [
        'Look at their rows, and undo by hand what is applied. Then, or where nothing is:',
        `  npx pgkeep migrate resolve --rolled-back ${migration} --anyway`,
      ].join('\n'),
    };
  }
  const also = notThere.length === 0 ? '' : ` (missing: ${boundedList(notThere)})`;
  return {
    why: `migration ${migration} is in the database: ${boundedList(there)}${also}; a deploy would make it again, and fail`,
    hint: [
      notThere.length === 0
        ? `All of it that can be looked for is there: \`npx pgkeep migrate resolve --applied ${migration}\``
        : 'Take back by hand what is there, then the same again.',
      'Or, where that is known and meant:',
      `  npx pgkeep migrate resolve --rolled-back ${migration} --anyway`,
    ].join('\n'),
  };
}
