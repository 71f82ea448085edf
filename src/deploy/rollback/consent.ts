import { rollbackRefused } from '../refused.js';
import { lossText } from './loss-text.js';
import type { MeasuredLoss, RollbackOptions, RollbackPlan } from './rollback.types.js';

/** What is typed before a rollback in production. */
export const PRODUCTION_WORD = 'ROLLBACK_PRODUCTION';

/** Whether a name that was typed is this loss's; without its schema it is the default one's. */
function isNamed(name: string, lose: readonly string[], schema: string): boolean {
  return lose.some((typed) => typed === name || `${schema}.${typed}` === name);
}

/** The names of losses that were not typed. Pure. */
export function notNamed(losses: readonly MeasuredLoss[], lose: readonly string[], schema: string): string[] {
  return losses.map(({ name }) => name).filter((name) => !isNamed(name, lose, schema));
}

/** @throws PgkeepError `ROLLBACK_REFUSED` with everything that would be lost and was not named. */
export function requireNamed(plan: RollbackPlan): void {
  if (plan.notNamed.length === 0) return;
  const lost = plan.losses.filter(({ name }) => plan.notNamed.includes(name)).map(lossText);
  throw rollbackRefused(
    `it loses ${lost.join('; ')}`,
    [
      'Where that is meant:',
      `  ${rollbackCommand(
        plan.migration,
        plan.losses.map(({ name }) => name),
      )}`,
    ].join('\n'),
  );
}

/** @throws PgkeepError `ROLLBACK_REFUSED` in production, where nobody typed what is to be typed. */
export function requireConfirmed(
  { isProduction, database }: Pick<RollbackPlan, 'isProduction' | 'database'>,
  { confirm, target, onTerminal = false }: RollbackOptions,
): void {
  if (target !== undefined && target !== database) {
    throw rollbackRefused(
      `--target ${target} was typed, and DATABASE_URL leads to database "${database}"`,
      'Check which database is meant.',
    );
  }
  if (!isProduction) return;
  if (confirm === PRODUCTION_WORD && (onTerminal || target === database)) return;
  throw rollbackRefused(
    'a rollback in production was not confirmed',
    `Type ${PRODUCTION_WORD} when asked on a terminal, or give both \`--confirm ${PRODUCTION_WORD} --target ${database}\`.`,
  );
}

/** The names to type: what there is to lose, and whatever else was typed. Pure. */
export function namesToType(
  losses: readonly MeasuredLoss[],
  lose: readonly string[],
  schema: string,
): string[] {
  const names = losses.map(({ name }) => name);
  return [...names, ...lose.filter((typed) => !names.some((name) => isNamed(name, [typed], schema)))];
}

/** The whole command, to be typed again. Pure. */
export function rollbackCommand(migration: string, lose: readonly string[] = []): string {
  return ['npx pgkeep migrate rollback', migration, ...lose.map((name) => `--lose ${quoted(name)}`)].join(
    ' ',
  );
}

function quoted(word: string): string {
  return /^[\w.]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
