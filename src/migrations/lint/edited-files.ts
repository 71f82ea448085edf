import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { HistoryRow } from '../migrations.types.js';
import { onlyAddsComments } from './added-comments.js';
import { baselineFile, digestOf, readBaseline } from './baseline.js';
import { loadSqlParser } from './sql-parser.js';

/** A migration whose file was changed after it was applied, in more than its comments. */
export interface EditedFile {
  readonly name: string;
  /** Why the change was accepted: the baseline records it. Absent where it was not. */
  readonly acceptedBecause?: string;
}

/**
 * Looks at files that differ from what was applied. Those that only have more comments are left out: they do the same.
 * @param edited names, as the history against the directory says
 * @throws PgkeepError `LINT_FAILED` where the baseline cannot be read; what the file system throws.
 */
export async function judgeEdits(
  edited: readonly string[],
  rows: readonly HistoryRow[],
  migrationsDirectory: string,
): Promise<EditedFile[]> {
  if (edited.length === 0) return [];
  const { edits } = await readBaseline(baselineFile(migrationsDirectory));
  const parser = await loadSqlParser();
  const judged: EditedFile[] = [];
  for (const name of edited) {
    const bytes = await readFile(path.join(migrationsDirectory, name, 'migration.sql'));
    const applied = rows.findLast((row) => row.name === name && row.finished && !row.rolledBack);
    if (applied && (await onlyAddsComments(bytes.toString(), applied.checksum, parser))) continue;
    const accepted = edits.get(name);
    const isAccepted = accepted?.sha256 === digestOf(bytes);
    judged.push({ name, ...(accepted && isAccepted && { acceptedBecause: accepted.because }) });
  }
  return judged;
}
