import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { PgkeepError, messageOf } from '../../core/errors.js';
import { run } from '../../core/process/run.js';
import type { OtherFinding } from './lint.types.js';

/** So many files are given to it at a time: a command line has its limits. */
const FILES_AT_A_TIME = 500;

/** Rules of squawk's that pgkeep has too, and judges by the table's size and history. */
const JUDGED_HERE = new Set([
  'adding-field-with-default',
  'adding-foreign-key-constraint',
  'adding-not-nullable-field',
  'adding-required-field',
  'adding-serial-primary-key-field',
  'ban-alter-domain-with-add-constraint',
  'ban-concurrent-index-creation-in-transaction',
  'ban-drop-column',
  'ban-drop-database',
  'ban-drop-table',
  'ban-truncate-cascade',
  'ban-uncommitted-transaction',
  'changing-column-type',
  'constraint-missing-not-valid',
  'disallowed-unique-constraint',
  'renaming-column',
  'renaming-table',
  'require-concurrent-index-creation',
  'require-concurrent-index-deletion',
  'require-concurrent-partition-detach',
  'require-concurrent-reindex',
  'require-lock-timeout',
  'require-timeout-settings',
  'syntax-error',
]);

/** Rules against what Prisma writes by itself, whatever its schema says. */
const AGAINST_PRISMA = /^(prefer-|require-(statement-timeout|table-schema)$)/;

/** The squawk of the nearest `node_modules`, or of PATH; undefined where there is none. */
export async function findSquawk(directory: string, searchPath: string): Promise<string | undefined> {
  const candidates: string[] = [];
  for (let at = directory; ; at = path.dirname(at)) {
    candidates.push(path.join(at, 'node_modules', '.bin', 'squawk'));
    if (at === path.dirname(at)) break;
  }
  candidates.push(
    ...searchPath
      .split(path.delimiter)
      .filter(Boolean)
      .map((place) => path.join(place, 'squawk')),
  );
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  return undefined;
}

/**
 * What squawk has against files, by their paths; only rules that pgkeep has not itself. A `.squawk.toml` of the
 * working directory counts.
 * @throws PgkeepError `LINT_FAILED` where it cannot be run or its answer cannot be read.
 */
export async function runSquawk(
  binary: string,
  files: readonly string[],
  searchPath: string,
): Promise<Map<string, OtherFinding[]>> {
  const found = new Map<string, OtherFinding[]>();
  for (let from = 0; from < files.length; from += FILES_AT_A_TIME) {
    for (const { file, ...finding } of await ask(
      binary,
      files.slice(from, from + FILES_AT_A_TIME),
      searchPath,
    )) {
      found.set(file, [...(found.get(file) ?? []), finding]);
    }
  }
  return found;
}

async function ask(
  binary: string,
  files: readonly string[],
  searchPath: string,
): Promise<(OtherFinding & { file: string })[]> {
  try {
    const { stdout, stderrTail } = await run(binary, ['--reporter', 'json', '--', ...files], {
      env: { PATH: searchPath },
    });
    // Exit code 1 says that there are findings, and so does the answer.
    if (!stdout.trim().startsWith('[')) throw new TypeError(stderrTail || 'it answered nothing');
    const answer: unknown = JSON.parse(stdout);
    return Array.isArray(answer) ? answer.flatMap(toFinding) : [];
  } catch (cause) {
    throw new PgkeepError('LINT_FAILED', `Cannot run ${binary}: ${messageOf(cause)}.`, {
      hint: 'Mend or remove it, or lint without it: `pgkeep migrate lint --no-squawk`.',
      cause,
    });
  }
}

function toFinding(answer: unknown): (OtherFinding & { file: string })[] {
  const { file, line, column, message, help, rule_name: rule } = Object(answer);
  if (typeof rule !== 'string' || JUDGED_HERE.has(rule) || AGAINST_PRISMA.test(rule)) return [];
  // It counts from 0, and columns in bytes.
  return [
    {
      rule: `squawk/${rule}`,
      file: String(file),
      line: Number(line) + 1,
      byte: Number(column),
      message: String(message),
      help: typeof help === 'string' ? help : '',
    },
  ];
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
