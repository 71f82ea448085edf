import { resolveRefused } from '../refused.js';
import type { MigrationState, ResolveOptions } from './resolve.types.js';
import { boundedList } from '../../core/bounded-list.js';

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
