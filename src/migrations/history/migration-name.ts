/** How a migration's time is written: as Prisma does, or with an underscore for readability. */
export type NameSpelling = 'YYYYMMDDHHMMSS' | 'YYYYMMDD_HHMMSS';

/** The name in Prisma's documentation for the first migration of a database without history. */
const BASELINE = '0_init';

const STAMPED = /^(\d{8})(_?)(\d{6})_(.+)$/s;
const DESCRIPTION = /^(?=.*[a-z])[a-z0-9]+(?:_[a-z0-9]+)*$/;
/** Prisma cuts what is longer. */
const LONGEST = 200;

/** Returns how a migration's time is written; undefined where its name does not begin with one. */
export function spellingOf(name: string): NameSpelling | undefined {
  const stamped = STAMPED.exec(name);
  if (!stamped) return undefined;
  return stamped[2] === '' ? 'YYYYMMDDHHMMSS' : 'YYYYMMDD_HHMMSS';
}

/** Returns what is wrong with the name of a migration's directory, to follow "it"; undefined for a valid name. Pure. */
export function nameFault(name: string): string | undefined {
  if (name === BASELINE) return undefined;
  const [, date = '', , time = '', description = ''] = STAMPED.exec(name) ?? [];
  if (date === '') return 'does not begin with its time';
  if (!isTime(date, time)) return `begins with ${date} ${time}, which is not a valid time`;
  return DESCRIPTION.test(description)
    ? undefined
    : `continues with "${description}", which is not in lower_case_with_underscores`;
}

/**
 * Returns what is wrong with the description of a new migration, to which Prisma prepends the time; undefined for a
 * valid one. Pure.
 */
export function descriptionFault(description: string): string | undefined {
  if (spellingOf(description) !== undefined) return 'begins with a time, which Prisma adds itself';
  if (description.length > LONGEST) return `is longer than ${LONGEST} characters`;
  return DESCRIPTION.test(description) ? undefined : 'is not in lower_case_with_underscores';
}

/** Returns the same words in the right spelling; empty where they contain no letter. Pure. */
export function spelledRight(description: string): string {
  const words = description
    .replace(STAMPED, '$4')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .normalize('NFD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
  const spelled = words.join('_').slice(0, LONGEST).replace(/_$/, '');
  return DESCRIPTION.test(spelled) ? spelled : '';
}

function isTime(date: string, time: string): boolean {
  const iso = `${date}${time}`.replace(/(.{4})(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6.000Z');
  const at = Date.parse(iso);
  // The 30th of February parses as the 2nd of March.
  return !Number.isNaN(at) && new Date(at).toISOString() === iso;
}
