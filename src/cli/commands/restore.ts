import type { OptionValues } from 'commander';
import { withoutText } from '../../backup/omissions.js';
import { PgkeepError } from '../../core/errors.js';
import { boundedList, counted, formatBytes, formatSeconds, formatTime, pluralOf } from '../../core/text.js';
import { type ErasureCounts, erasuresSinceText, erasureText } from '../../privacy/replay/plan-replay.js';
import { RestoreService } from '../../restore/restore/restore.service.js';
import type {
  Restoration,
  RestoreOptions,
  RestorePlan,
  TablesRestoration,
} from '../../restore/restore/restore.types.js';
import type { Answer } from '../run-verb.js';
import { ask, isTerminal } from '../terminal.js';
import type { Verb } from '../verb.js';
import { backupListVerb } from './backup.js';

/** `pgkeep restore NAME|FILE`: restores into a new database, compares it, and swaps; `--list` lists the backups. */
export const restoreVerb: Verb = {
  declare: (command) =>
    command
      .argument('[source]', 'a backup’s name, one of its files, or a dump of another tool')
      .option('--list', 'list the backups')
      .option('--plan', 'show what a restore would do, without doing it')
      .option(
        '--confirm <word>',
        'RESTORE_PRODUCTION confirms a restore into production, together with --target',
      )
      .option('--target <database>', 'the name of the database to replace')
      .option('--from-other <database_environment>', 'allow a backup of another database or environment')
      .option('--no-owner', 'restore without owners and grants: the restoring role owns everything')
      .option(
        '--tables <names>',
        'restore only the rows of these tables, into an additional database; requires --into',
      )
      .option('--into <database>', 'the database to create for --tables')
      .option('--despite <finding...>', 'accept these findings of the restore test, each by its name')
      .option('--without-safety-backup', 'continue if the current database cannot be backed up first')
      .option('--without-erasures', 'do not erase again what was erased since the backup'),
  shutsDownGracefully: true,
  prismaProject: 'all-if-valid',
  run: async (app, [source], options, signal, terminal) => {
    if (options['list'] === true) return await backupListVerb.run(app, [], options, signal, terminal);
    if (source === undefined) {
      throw new PgkeepError('USAGE_INVALID', 'Missing argument: backup name.', {
        hint: '`pgkeep restore --list` lists the names. Then run `pgkeep restore NAME`.',
      });
    }
    const restores = app.get(RestoreService);
    const { tables, into } = options;
    if (tables !== undefined || into !== undefined) {
      const withoutErasures = options['withoutErasures'] === true;
      return await restoreTables(restores, { source, signal, tables, into, withoutErasures });
    }
    const asked: RestoreOptions = { ...consentOf(options), source, signal, progress: printProgress };
    const plan = await restores.plan(asked);
    if (options['plan'] === true) return { json: plan, text: renderPlan(plan) };
    printProgress(renderPlan(plan));
    const confirmed = await confirm(plan, asked, signal);
    const restoration = await restores.restore(confirmed);
    return { json: restoration, text: renderRestoration(restoration) };
  },
};

async function restoreTables(
  restores: RestoreService,
  {
    source,
    signal,
    tables,
    into,
    withoutErasures,
  }: { source: string; signal: AbortSignal; tables: unknown; into: unknown; withoutErasures: boolean },
): Promise<Answer> {
  if (typeof tables !== 'string' || typeof into !== 'string') {
    throw new PgkeepError('USAGE_INVALID', '--tables and --into must be given together.', {
      hint: 'For example: `pgkeep restore NAME --tables children,sessions --into rescued`',
    });
  }
  const names = tables.split(',').map((name) => name.trim());
  const report = await restores.restoreTables({
    source,
    signal,
    tables: names,
    into,
    withoutErasures,
    progress: printProgress,
  });
  return { json: report, text: renderTables(report) };
}

function renderTables({ source, database, tables, erased, copies, durationMs }: TablesRestoration): string {
  return [
    `Restored from ${source} into the new database "${database}" in ${formatSeconds(durationMs)}; the rows match the manifest:`,
    ...tables.map(({ name, rows }) => `  ${name}: ${counted(rows, 'row')}`),
    ...(erased === 0
      ? []
      : [
          `${counted(erased, 'row')} of them ${pluralOf(erased, 'was', 'were')} erased since the backup, and left out.`,
        ]),
    'The database in use was not changed. To copy all rows of a table back (if some of them still exist there, select',
    'columns and rows yourself):',
    ...copies.map((command) => `  ${command}`),
    `To remove the new database: DROP DATABASE ${quoted(database)};`,
  ].join('\n');
}

function consentOf(options: OptionValues): Omit<RestoreOptions, 'source'> {
  const text = (name: string): string | undefined =>
    typeof options[name] === 'string' ? options[name] : undefined;
  return {
    confirm: text('confirm'),
    target: text('target'),
    fromOther: text('fromOther'),
    noOwner: options['owner'] === false,
    despite: textsOf(options['despite']),
    withoutSafetyBackup: options['withoutSafetyBackup'] === true,
    withoutErasures: options['withoutErasures'] === true,
  };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** Asks for the confirmation in production on a terminal; elsewhere only the options confirm. */
async function confirm(
  { isProduction, database }: RestorePlan,
  asked: RestoreOptions,
  signal: AbortSignal,
): Promise<RestoreOptions> {
  if (!isProduction || asked.confirm !== undefined || !isTerminal()) return asked;
  const typed = await ask(`Type RESTORE_PRODUCTION to replace database "${database}": `, signal);
  return { ...asked, confirm: typed, onTerminal: true };
}

function printProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

function renderPlan(plan: RestorePlan): string {
  const { source, finishedAt, bytes, tables, rows, database, environment, exists, sizeBytes, other } = plan;
  const size = sizeBytes === null ? '' : `, ${formatBytes(sizeBytes)}`;
  const what =
    bytes === null
      ? 'a dump without a manifest: only its foreign keys can be checked'
      : `${counted(rows ?? 0, 'row')} of ${counted(tables ?? 0, 'table')}, ${formatBytes(bytes)}`;
  const { missingMigrations: missing, unknownMigrations: unknown, lastRestoreMs } = plan;
  return [
    `restore   ${source}`,
    ...(finishedAt === null ? [] : [`          finished ${formatTime(finishedAt)} UTC`]),
    `          ${what}${withoutText(plan.without)}`,
    `into      database "${database}" (${environment}) on ${plan.server}${exists ? size : ', which does not exist and is created'}`,
    ...(exists ? ['          the old database is backed up first, and kept under another name'] : []),
    ...(other === null
      ? []
      : [
          `WARNING   the backup is of ${other}: everyone who can read this database will be able to read its personal data`,
        ]),
    ...erasureLines(plan),
    ...plan.despite.map((finding) => `despite   ${finding}: the restored database will differ here`),
    ...(plan.notChecked === null ? [] : [`note      not checked before the restore: ${plan.notChecked}`]),
    ...(missing.length === 0
      ? []
      : [
          `then      apply the migrations that are not in the backup: ${boundedList(missing)} (\`pgkeep migrate deploy\`)`,
        ]),
    ...(unknown.length === 0
      ? []
      : [`note      the backup contains migrations that this build does not know: ${boundedList(unknown)}`]),
    ...(lastRestoreMs === null
      ? []
      : [`takes     about ${formatSeconds(lastRestoreMs)}, as in the last restore test`]),
  ].join('\n');
}

function renderRestoration({
  source,
  database,
  replaced,
  safetyBackup,
  without,
  comparisons,
  accepted,
  erasures,
  notes,
  durationMs,
}: Restoration): string {
  const outcome = accepted.length === 0 ? '' : ', except for the accepted findings';
  return [
    `Restored ${source} into database "${database}" in ${formatSeconds(durationMs)}${withoutText(without)}. ${counted(comparisons.length, 'comparison')} passed${outcome}.`,
    ...accepted.map(({ name, details }) => `  accepted ${name}: ${details}`),
    ...replayedLines(erasures),
    ...notes.map((note) => `  note: ${note}`),
    ...(safetyBackup === null ? [] : [`Backup of the replaced database: ${safetyBackup}`]),
    ...(replaced === null ? [] : undoLines(database, replaced)),
  ].join('\n');
}

function erasureLines({ erasures }: RestorePlan): string[] {
  if (erasures === null) {
    return ['WARNING   what was erased since the backup is not erased again: those people come back'];
  }
  if (erasures.actions === 0) return [];
  return [
    `erasures  ${counted(erasures.actions, 'action')} since the backup, done again before the swap: ${erasuresSinceText(erasures)}`,
  ];
}

function replayedLines(erasures: ErasureCounts | null): string[] {
  if (erasures === null) {
    return [
      'Not erased again: what was erased since the backup. /ready reports ERASURES_UNKNOWN until `pgkeep privacy replay`.',
    ];
  }
  if (erasures.actions === 0) return [];
  return [
    `Erased again, as since the backup (${counted(erasures.actions, 'action')}): ${erasureText(erasures)}.`,
  ];
}

function undoLines(database: string, replaced: string): string[] {
  const [now, before] = [quoted(database), quoted(replaced)];
  const aside = quoted(`${database}_restored`);
  // A session cannot rename the database that it is connected to.
  const other = database === 'postgres' ? 'template1' : 'postgres';
  return [
    `The replaced database is kept as "${replaced}".`,
    `  To go back, stop the application, connect psql to database "${other}", and run:`,
    `    BEGIN; ALTER DATABASE ${now} RENAME TO ${aside}; ALTER DATABASE ${before} RENAME TO ${now}; COMMIT;`,
    '  To remove it when it is no longer needed:',
    `    DROP DATABASE ${before};`,
  ];
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
