import path from 'node:path';
import { nameFault, type NameSpelling, spellingOf } from '../../history/migration-name.js';
import type { LintFile } from '../lint.types.js';
import type { Violation } from '../rule.js';

/** By directory, how its first migration spells its time: the others are judged by that. */
export type Spellings = ReadonlyMap<string, NameSpelling>;

/** One lint may see the migrations of several applications. */
export function spellingsOf(files: readonly LintFile[]): Spellings {
  const spellings = new Map<string, NameSpelling>();
  for (const file of files) {
    const spelling = file.migration === undefined ? undefined : spellingOf(file.migration);
    if (spelling !== undefined && !spellings.has(homeOf(file))) spellings.set(homeOf(file), spelling);
  }
  return spellings;
}

function homeOf(file: LintFile): string {
  return path.dirname(path.dirname(file.path));
}

/**
 * What is wrong with a new migration's name. One that is applied anywhere keeps it: the history knows it by that. Pure.
 */
export function nameViolation(file: LintFile, spellings: Spellings): Violation | undefined {
  const { migration, isPending } = file;
  if (migration === undefined || isPending !== true) return undefined;
  const first = spellings.get(homeOf(file));
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
