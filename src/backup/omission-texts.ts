import type { Manifest } from './backup.types.js';
import type { DatabaseFacts } from './create/database-facts.js';
import type { Omission, OmissionKind } from './create/completeness.js';

/** How many names a text lists. */
const SHOWN = 10;

/** pg_dump's warning of what an omission says. */
const EXPLAINED_WARNING = /subscriptions not dumped because current user is not a superuser/;

interface Texts {
  /** What is missing, of one and of several. */
  readonly what: readonly [string, string];
  readonly why: string;
  /** What brings it into the next backup, and back after a restore of this one. */
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

/** What a backup does not hold, one phrase each: `the subscription clinic_feed`. */
export function omissionTexts(omissions: readonly Omission[] | undefined): string[] {
  return (omissions ?? []).map(({ kind, objects }) => {
    const [one, several] = TEXTS[kind].what;
    return `${objects.length === 1 ? one : several} ${listed(objects)}`;
  });
}

/** The same with why, and what to do about it; what pg_dump warned of; what a restore by this role lacks. */
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
      : [`role "${role}" cannot restore it: only a superuser may create ${listed(superuserObjects)}`]),
  ];
}

/** Names for a sentence, the first ten of many. */
export function listed(names: readonly string[]): string {
  const rest = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.slice(0, SHOWN).join(', ')}${rest}`;
}

/** `, without A; B`, to follow a verdict; empty where nothing is missing. */
export function withoutText(phrases: readonly string[]): string {
  return phrases.length === 0 ? '' : `, without ${phrases.join(', and without ')}`;
}
