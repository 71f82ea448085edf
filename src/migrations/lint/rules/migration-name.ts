import path from 'node:path';
import { nameFault, type NameSpelling, spellingOf } from '../../history/migration-name.js';
import type { LintFile } from '../lint.types.js';
import type { FileRule } from '../rule.js';

/** By directory, how its first migration spells its time: the others are compared with that. */
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

export const migrationName: FileRule = {
  id: 'migration-name',
  severity: 'warning',
  summary: 'A name of a new migration that is not its time and what it does',
  details:
    'Or a time in another format than that of the first migration. Only for migrations that the database has not applied, or that the change adds: an applied one keeps its name, because the history has it.',
  breaks: 'Migrations are applied in the order of their names, which is then not the order of their times.',
  instead: 'Rename the directory to `YYYYMMDDHHMMSS_what_it_does` before it is applied anywhere.',
  checkFile: ({ file }, spellings) => {
    const { migration, isPending } = file;
    if (migration === undefined || isPending !== true) return [];
    const first = spellings.get(homeOf(file));
    const rewrite = `-- If no database has applied it, rename its directory: ${first ?? 'YYYYMMDDHHMMSS'}_descriptive_name`;
    const fault = nameFault(migration);
    if (fault !== undefined) {
      const message = `The name of this migration ${fault}. Migrations are applied in the order of their names, and a name should say what the migration does.`;
      return [{ index: 0, message, rewrite }];
    }
    const spelling = spellingOf(migration);
    if (spelling === undefined || first === undefined || spelling === first) return [];
    const message = `The time in the name of this migration has the format ${spelling}, but the first migration has ${first}. Migrations of one day are then applied in the wrong order.`;
    return [{ index: 0, message, rewrite }];
  },
};
