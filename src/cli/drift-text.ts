import path from 'node:path';
import { boundedList, counted, formatTime, printable } from '../core/text.js';
import { actionText, type CountedDifference, findRenames, withParts } from '../drift/differences.js';
import type {
  AcceptReport,
  DriftedObject,
  DriftReport,
  NoComparison,
  RecordedFingerprint,
} from '../drift/drift.types.js';

const SIGNS = { added: '+', missing: '-', changed: '~' } as const;
/** A function's body may have thousands of lines. */
const LONGEST = 40;

/** Renders the differences, then Prisma's own comparison, then what to do. */
export function renderDrift(report: DriftReport): string {
  return printable(
    [verdictOf(report), ...renderObjects(report.objects), ...prismaOf(report), ...remediesOf(report)].join(
      '\n\n',
    ),
  );
}

/** Renders only the SQL of Prisma's comparison; if there is none, a comment says why. */
export function renderDriftSql({ prisma }: DriftReport): string {
  if (prisma === null) return '-- No Prisma schema found: there is nothing to compare the database with.';
  if (!('files' in prisma)) {
    return notComparedLines(prisma)
      .map((line) => `-- ${line.replaceAll('\n', ' ')}`)
      .join('\n');
  }
  return prisma.differs ? prisma.script : '-- Prisma sees no difference between the database and the schema.';
}

/** Renders what is about to be accepted. */
export function renderAcceptable({ objects, recorded }: DriftReport): string {
  if (recorded === null) return 'No structure was recorded before: the current one is accepted.';
  const what =
    objects.length === 0
      ? 'Nothing differs'
      : `Accepting ${countedObjects(objects, 'object that differs', 'objects that differ')}`;
  return printable([`${what} from ${leftBy(recorded)}.`, ...renderObjects(objects)].join('\n\n'));
}

export function renderAcceptance({ changed, database, objects, migrations }: AcceptReport): string {
  if (!changed) return `Nothing to accept: the structure of database "${database}" matches the recorded one.`;
  const accepted =
    objects.length === 0 ? '' : `, with ${countedObjects(objects)} changed outside of migrations`;
  return `Recorded the structure of database "${database}" as the expected one${accepted}; ${counted(migrations, 'migration is', 'migrations are')} applied.`;
}

function verdictOf(report: DriftReport): string {
  const { verdict, reason, recorded, objects, appliedSince, goneSince } = report;
  if (verdict === 'none' && recorded) return `No drift: the structure is as ${leftBy(recorded)} left it.`;
  if (verdict === 'drift' && recorded) {
    return `DRIFT: ${countedObjects(objects, 'object differs', 'objects differ')} from what ${leftBy(recorded)} left.`;
  }
  if (reason === 'not-installed')
    return 'Drift unknown: the database has no table pgkeep.catalogue_fingerprint.';
  if (!recorded || reason === 'not-recorded') {
    return 'Drift unknown: no expected structure is recorded.';
  }
  if (reason === 'deploying') return 'Drift unknown: migrations are being deployed right now.';
  if (reason === 'not-comparable') {
    return `Drift unknown: another version of pgkeep recorded ${leftBy(recorded)}, in a form that cannot be compared.`;
  }
  return [
    `Drift unknown since ${leftBy(recorded)}: the migration history has changed.`,
    ...appliedSince.map((name) => `  applied since  ${name}`),
    ...goneSince.map((name) => `  removed since  ${name}`),
    objects.length === 0
      ? 'The structure has not changed.'
      : `${countedObjects(objects, 'object differs', 'objects differ')} since then, changed by these migrations or by hand:`,
  ].join('\n');
}

/** Renders the objects grouped by table or view; objects without one come last. */
function renderObjects(objects: readonly DriftedObject[]): string[] {
  const renames = findRenames(objects);
  const homes = new Map<string, CountedDifference[]>();
  for (const one of withParts(objects)) {
    homes.set(one.object.home, [...(homes.get(one.object.home) ?? []), one]);
  }
  return [...homes]
    .toSorted(([left], [right]) => Number(left === '') - Number(right === '') || (left < right ? -1 : 1))
    .map(([home, own]) =>
      [
        home === '' ? 'other objects' : home,
        ...own.flatMap((one) => renderObject(one, renames.get(one.object))),
      ].join('\n'),
    );
}

/** Counts the parts of an added or removed table instead of listing them. */
function partsOf(parts: readonly DriftedObject[]): string[] {
  if (parts.length === 0) return [];
  const counts = new Map<string, number>();
  for (const { object } of parts) {
    const kind = object === 'row security' ? object : (object.split(' ')[0] ?? object);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [`      with ${[...counts].map(([kind, count]) => `${count} ${plural(kind, count)}`).join(', ')}`];
}

function plural(kind: string, count: number): string {
  if (count === 1) return kind;
  return kind.endsWith('x') ? `${kind}es` : kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
}

function renderObject({ object: one, parts }: CountedDifference, renamedTo: string | undefined): string[] {
  const { object, change, was, is } = one;
  const guess = renamedTo === undefined ? '' : `  (renamed to ${renamedTo}?)`;
  const heading = `  ${SIGNS[change]} ${object}${guess}`;
  if (was === null || is === null) {
    return [heading, ...definition(was ?? is ?? '', '      '), ...partsOf(parts)];
  }
  const [before, after] = withoutCommonLines(was.split('\n'), is.split('\n'));
  return [heading, ...labelled('was', before), ...labelled('is', after)];
}

function labelled(label: string, lines: readonly string[]): string[] {
  const shown = lines.length === 0 ? ['(nothing)'] : lines;
  return definition(shown.join('\n'), '          ').map((line, index) =>
    index === 0 ? `      ${label.padEnd(3)} ${line.trimStart()}` : line,
  );
}

function definition(text: string, indent: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  const rest = lines.length > LONGEST ? [`… and ${lines.length - LONGEST} more lines`] : [];
  return [...lines.slice(0, LONGEST), ...rest].map((line) => `${indent}${line}`.trimEnd());
}

/** Leaves out equal lines at the beginning and end of two definitions. */
function withoutCommonLines(was: readonly string[], is: readonly string[]): [string[], string[]] {
  let head = 0;
  while (head < Math.min(was.length, is.length) && was[head] === is[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(was.length, is.length) - head && was.at(-1 - tail) === is.at(-1 - tail)) tail += 1;
  return [was.slice(head, was.length - tail), is.slice(head, is.length - tail)];
}

function prismaOf({ prisma }: DriftReport): string[] {
  if (prisma === null) return [];
  if (!('files' in prisma)) return [notComparedLines(prisma).join('\n')];
  const { files, differs, summary, pending } = prisma;
  const [first, ...others] = files;
  const schema = `${shownPath(first ?? '')}${others.length === 0 ? '' : ` and ${others.length} more`}`;
  if (!differs) return [`Prisma sees no difference between the database and ${schema}.`];
  const reason =
    pending.length === 0
      ? ''
      : ` ${counted(pending.length, 'migration is', 'migrations are')} not applied yet, which may be why: ${boundedList(pending)}.`;
  return [
    `According to Prisma the database differs from ${schema}.${reason} Changes that would make it match:\n${indented(summary)}`,
    'As SQL: `pgkeep migrate drift --sql`.',
  ];
}

function notComparedLines(why: NoComparison): string[] {
  if ('fault' in why) return [`Prisma’s engine could not compare the database with the schema: ${why.fault}`];
  return [`The Prisma schema is unknown, so nothing was compared with it: ${why.schemaUnknown}.`, why.hint];
}

function remediesOf({ verdict, reason, recorded }: DriftReport): string[] {
  if (verdict === 'none') return [];
  if (reason === 'not-installed') return ['Run `pgkeep install`, then `pgkeep migrate drift --accept`.'];
  if (reason === 'deploying') return ['Wait for the deploy to finish: it records the structure itself.'];
  if (verdict === 'drift') {
    return [
      'Add a migration, or revert it. To accept the current structure: `pgkeep migrate drift --accept`.',
    ];
  }
  return [
    recorded
      ? 'If this is expected: `pgkeep migrate drift --accept`.'
      : 'Record the current structure as the expected one: `pgkeep migrate drift --accept`; every `pgkeep migrate deploy` does this too.',
  ];
}

function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}

function leftBy({ action, recordedAt }: RecordedFingerprint): string {
  return `the ${actionText(action)} of ${formatTime(recordedAt)} UTC`;
}

/** Counts an added or removed table as one object, with its parts. */
function countedObjects(objects: readonly DriftedObject[], one = 'object', many = 'objects'): string {
  return counted(withParts(objects).length, one, many);
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}
