import { boundedList, pluralOf } from '../core/text.js';
import type { Manifest } from './backup.types.js';
import type { DatabaseFacts } from './create/database-facts.js';
import type { Omission, OmissionKind } from './create/completeness.js';

/** How many names a text shows. */
const SHOWN = 10;

/** pg_dump's warning about an omission that is reported already. */
const EXPLAINED_WARNING = /subscriptions not dumped because current user is not a superuser/;

interface Texts {
  /** What is missing, singular and plural. */
  readonly what: readonly [string, string];
  readonly why: string;
  /** How to get it into the next backup, or back after a restore of this one. */
  readonly remedy: (object: string) => string;
}

const TEXTS: Readonly<Record<OmissionKind, Texts>> = {
  userMappingOptions: {
    what: ['the options of the user mapping for', 'the options of the user mappings for'],
    why: 'only a superuser can read them, so pg_dump left them out',
    remedy: (object) =>
      `Back up as a superuser, or set them again after a restore: ALTER USER MAPPING FOR ${object} OPTIONS (ADD user '…', ADD password '…');`,
  },
  subscriptions: {
    what: ['the subscription', 'the subscriptions'],
    why: 'only a superuser can read them, so pg_dump left them out',
    remedy: (object) =>
      `Back up as a superuser, or keep the command that creates it: CREATE SUBSCRIPTION ${object} …;`,
  },
  unloggedRows: {
    what: ['the rows of the unlogged table', 'the rows of the unlogged tables'],
    why: 'a standby does not have them',
    remedy: () => 'Back up the primary to keep them.',
  },
};

/** Returns what a backup does not contain, one phrase each: `the subscription clinic_feed`. */
export function omissionTexts(omissions: readonly Omission[] | undefined): string[] {
  return (omissions ?? []).map(({ kind, objects }) => {
    const [one, several] = TEXTS[kind].what;
    return `${pluralOf(objects.length, one, several)} ${boundedList(objects, SHOWN)}`;
  });
}

/** Returns why something is missing and what to do, pg_dump's warnings, and what this role cannot restore. */
export function notesOn(
  { without = [], superuserObjects = [] }: Pick<Manifest, 'without' | 'superuserObjects'>,
  { role, isSuperuser }: Pick<DatabaseFacts, 'role' | 'isSuperuser'>,
  warnings: readonly string[],
): string[] {
  const explained = without.flatMap((omission) => {
    const { why, remedy } = TEXTS[omission.kind];
    return omissionTexts([omission]).map((what) => `${what}: ${why}. ${remedy(omission.objects[0] ?? '')}`);
  });
  const isRestorable = isSuperuser || superuserObjects.length === 0;
  return [
    ...explained,
    ...warnings.filter((line) => !EXPLAINED_WARNING.test(line)),
    ...(isRestorable
      ? []
      : [
          `role "${role}" cannot restore it: only a superuser may create ${boundedList(superuserObjects, SHOWN)}`,
        ]),
  ];
}

/** Returns `, without A, and without B` to append to a verdict; empty if nothing is missing. */
export function withoutText(phrases: readonly string[]): string {
  return phrases.length === 0 ? '' : `, without ${phrases.join(', and without ')}`;
}
