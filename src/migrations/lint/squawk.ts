import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { PgkeepError, messageOf } from '../../core/errors.js';
import { run } from '../../core/process/run.js';
import type { OtherFinding } from './lint.types.js';

/** The most files of one call: the length of a command line is limited. */
const FILES_AT_A_TIME = 500;

/** squawk's rules that pgkeep has too, and checks by the size and history of the table. */
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

/** squawk's rules against what Prisma always writes. */
const AGAINST_PRISMA = /^(prefer-|require-(statement-timeout|table-schema)$)/;

/** Returns the squawk of the nearest `node_modules`, or of PATH; undefined if there is none. */
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
 * Returns squawk's findings by the paths of the files, for rules that pgkeep does not have. squawk reads the
 * `.squawk.toml` of the working directory.
 * @throws PgkeepError `LINT_FAILED` if it cannot be run or its output cannot be read.
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
    // Exit code 1 means findings, which are in the output.
    if (!stdout.trim().startsWith('[')) throw new TypeError(stderrTail || 'it printed nothing');
    const answer: unknown = JSON.parse(stdout);
    return Array.isArray(answer) ? answer.flatMap(toFinding) : [];
  } catch (cause) {
    throw new PgkeepError('LINT_FAILED', `Cannot run ${binary}: ${messageOf(cause)}.`, {
      hint: 'Fix or remove it, or run without it: `pgkeep migrate lint --no-squawk`.',
      cause,
    });
  }
}

function toFinding(answer: unknown): (OtherFinding & { file: string })[] {
  const { file, line, column, message, help, rule_name: rule } = Object(answer);
  if (typeof rule !== 'string' || JUDGED_HERE.has(rule) || AGAINST_PRISMA.test(rule)) return [];
  // squawk counts lines and columns from 0, and columns in bytes.
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
