import { nameFault, spellingOf, type NameSpelling } from '../../migration-name.js';
import type { LintFile } from '../lint.types.js';
import type { Violation } from '../rule.js';

/** The spelling of a directory's first migration, by which the others are judged. */
export function firstSpelling(files: readonly LintFile[]): NameSpelling | undefined {
  for (const { migration = '' } of files) {
    const spelling = spellingOf(migration);
    if (spelling !== undefined) return spelling;
  }
  return undefined;
}

/** What is wrong with a migration's name. One that is applied keeps it: the history knows it by that. Pure. */
export function nameViolation(
  { migration, isPending }: LintFile,
  first: NameSpelling | undefined,
): Violation | undefined {
  if (migration === undefined || isPending === false) return undefined;
  const fault = nameFault(migration);
  if (fault !== undefined) {
    return {
      severity: 'warning',
      index: 0,
      message: `The name of this migration ${fault}: migrations are applied in the order of their names, and people find them by what they say.`,
      rewrite: `-- As long as no database has it, rename its directory: ${first ?? 'YYYYMMDDHHMMSS'}_descriptive_name`,
    };
  }
  const spelling = spellingOf(migration);
  if (spelling === undefined || first === undefined || spelling === first) return undefined;
  return {
    severity: 'warning',
    index: 0,
    message: `The time of this migration is spelled ${spelling}, that of others ${first}: within one day all of one spelling are applied before all of the other, whatever the hour.`,
    rewrite: `-- As long as no database has it, rename its directory: ${first}_descriptive_name`,
  };
}
