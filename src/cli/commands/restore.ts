import type { OptionValues } from 'commander';
import { withoutText } from '../../backup/omission-texts.js';
import { boundedList, counted, formatBytes, formatSeconds, formatTime } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
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
import { backupListVerb } from './backup-list.js';

/** `pgkeep restore NAME|FILE`: restores beside the database, checks, and swaps; `--list` shows what there is. */
export const restoreVerb: Verb = {
  declare: (command) =>
    command
      .argument('[source]', 'a backup’s name, one of its files, or a dump made elsewhere')
      .option('--list', 'show the backups there are')
      .option('--plan', 'show what a restore would do, and do nothing')
      .option('--confirm <word>', 'RESTORE_PRODUCTION: in production, together with --target')
      .option('--target <database>', 'the name of the database that is to be replaced')
      .option('--from-other <database_environment>', 'restore another database’s or environment’s backup')
      .option('--no-owner', 'give everything to the role that restores, and grant nothing')
      .option('--tables <names>', 'only the rows of these tables, into a database of their own; needs --into')
      .option('--into <database>', 'the database that is made for them')
      .option(
        '--despite <finding...>',
        'restore in spite of these findings of its restore test, each by its name',
      )
      .option('--without-safety-backup', 'go on where the database as it is now cannot be backed up first'),
  shutsDownGracefully: true,
  run: async (app, [source], options, signal, terminal) => {
    if (options['list'] === true) return await backupListVerb.run(app, [], options, signal, terminal);
    if (source === undefined) {
      throw new PgkeepError('USAGE_INVALID', 'Which backup is to be restored?', {
        hint: '`pgkeep restore --list` shows the names; then `pgkeep restore NAME`.',
      });
    }
    const restores = app.get(RestoreService);
    const { tables, into } = options;
    if (tables !== undefined || into !== undefined) {
      return await restoreTables(restores, { source, signal, tables, into });
    }
    const asked: RestoreOptions = { ...consentOf(options), source, signal, progress: tell };
    const plan = await restores.plan(asked);
    if (options['plan'] === true) return { json: plan, text: renderPlan(plan) };
    tell(renderPlan(plan));
    const confirmed = await confirm(plan, asked, signal);
    const restoration = await restores.restore(confirmed);
    return { json: restoration, text: renderRestoration(restoration) };
  },
};

async function restoreTables(
  restores: RestoreService,
  { source, signal, tables, into }: { source: string; signal: AbortSignal; tables: unknown; into: unknown },
): Promise<Answer> {
  if (typeof tables !== 'string' || typeof into !== 'string') {
    throw new PgkeepError('USAGE_INVALID', '--tables and --into belong together.', {
      hint: '`pgkeep restore NAME --tables children,sessions --into rescued`',
    });
  }
  const names = tables.split(',').map((name) => name.trim());
  const report = await restores.restoreTables({ source, signal, tables: names, into, progress: tell });
  return { json: report, text: renderTables(report) };
}

function renderTables({ source, database, tables, copies, durationMs }: TablesRestoration): string {
  return [
    `Restored from ${source} into the new database "${database}" in ${formatSeconds(durationMs)}, compared with the manifest:`,
    ...tables.map(({ name, rows }) => `  ${name}: ${counted(rows, 'row')}`),
    'The database in use was not touched. To bring all rows of a table back (choose the columns and rows by hand where',
    'some are still there):',
    ...copies.map((command) => `  ${command}`),
    `To be rid of it: DROP DATABASE ${quoted(database)};`,
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
  };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** On a terminal production is confirmed by typing; elsewhere only the options can. */
async function confirm(
  { isProduction, database }: RestorePlan,
  asked: RestoreOptions,
  signal: AbortSignal,
): Promise<RestoreOptions> {
  if (!isProduction || asked.confirm !== undefined || !isTerminal()) return asked;
  const typed = await ask(`Type RESTORE_PRODUCTION to replace database "${database}": `, signal);
  return { ...asked, confirm: typed, onTerminal: true };
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function renderPlan(plan: RestorePlan): string {
  const { source, finishedAt, bytes, tables, rows, database, environment, exists, sizeBytes, other } = plan;
  const size = sizeBytes === null ? '' : `, ${formatBytes(sizeBytes)}`;
  const what =
    bytes === null
      ? 'a dump without a manifest: it cannot be compared with what was dumped'
      : `${counted(rows ?? 0, 'row')} of ${counted(tables ?? 0, 'table')}, ${formatBytes(bytes)}`;
  const { missingMigrations: missing, unknownMigrations: unknown, lastRestoreMs } = plan;
  return [
    `restore   ${source}`,
    ...(finishedAt === null ? [] : [`          made ${formatTime(finishedAt)} UTC`]),
    `          ${what}${withoutText(plan.without)}`,
    `into      database "${database}" (${environment}) on ${plan.server}${exists ? size : ': there is none, it is created'}`,
    ...(exists ? ['          backed up first, then kept under another name'] : []),
    ...(other === null
      ? []
      : [
          `CAREFUL   the backup is of ${other}: with it come its personal data, and everybody who may read this database may read them`,
        ]),
    ...plan.despite.map((finding) => `despite   ${finding}: the restored database will differ by this`),
    ...(plan.notChecked === null ? [] : [`note      not checked before it begins: ${plan.notChecked}`]),
    ...(missing.length === 0
      ? []
      : [`after it  apply what the backup has not: ${boundedList(missing)} (\`pgkeep migrate deploy\`)`]),
    ...(unknown.length === 0
      ? []
      : [`note      the backup has migrations that this build does not know: ${boundedList(unknown)}`]),
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
  notes,
  durationMs,
}: Restoration): string {
  const outcome = accepted.length === 0 ? 'all well' : 'all well but for what was accepted';
  return [
    `Restored ${source} into database "${database}" in ${formatSeconds(durationMs)}; ${comparisons.length} comparisons, ${outcome}${withoutText(without)}.`,
    ...accepted.map(({ name, details }) => `  despite ${name}: ${details}`),
    ...notes.map((note) => `  note: ${note}`),
    ...(safetyBackup === null ? [] : [`The database as it was is backup ${safetyBackup}.`]),
    ...(replaced === null ? [] : wayBack(database, replaced)),
  ].join('\n');
}

function wayBack(database: string, replaced: string): string[] {
  const [now, before] = [quoted(database), quoted(replaced)];
  const aside = quoted(`${database}_restored`);
  // A session cannot rename the database that it is connected to.
  const other = database === 'postgres' ? 'template1' : 'postgres';
  return [
    `It is also still there, as database "${replaced}".`,
    `  to go back, in psql, connected to database "${other}", with the application stopped:`,
    `    BEGIN; ALTER DATABASE ${now} RENAME TO ${aside}; ALTER DATABASE ${before} RENAME TO ${now}; COMMIT;`,
    '  to be rid of it, when nobody misses anything:',
    `    DROP DATABASE ${before};`,
  ];
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
