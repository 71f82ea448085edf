/** How a migration's time is spelled: as Prisma writes it, or with the line that people put into it to read it. */
export type NameSpelling = 'YYYYMMDDHHMMSS' | 'YYYYMMDD_HHMMSS';

/** What Prisma's documentation calls the migration that a database without history begins with. */
const BASELINE = '0_init';

const STAMPED = /^(\d{8})(_?)(\d{6})_(.+)$/s;
const DESCRIPTION = /^(?=.*[a-z])[a-z0-9]+(?:_[a-z0-9]+)*$/;
/** Prisma cuts what is longer. */
const LONGEST = 200;

/** The spelling of a migration's time; undefined where its name does not begin with one. */
export function spellingOf(name: string): NameSpelling | undefined {
  const stamped = STAMPED.exec(name);
  if (!stamped) return undefined;
  return stamped[2] === '' ? 'YYYYMMDDHHMMSS' : 'YYYYMMDD_HHMMSS';
}

/** What is wrong with the name of a migration's directory, as "it …"; undefined where nothing is. Pure. */
export function nameFault(name: string): string | undefined {
  if (name === BASELINE) return undefined;
  const [, date = '', , time = '', description = ''] = STAMPED.exec(name) ?? [];
  if (date === '') return 'does not begin with its time';
  if (!isTime(date, time)) return `begins with ${date} ${time}, and there is no such time`;
  return DESCRIPTION.test(description)
    ? undefined
    : `goes on with "${description}", which is not in lower_case_with_underscores`;
}

/**
 * What is wrong with what somebody calls a new migration, before Prisma puts the time before it; undefined where
 * nothing is. Pure.
 */
export function descriptionFault(description: string): string | undefined {
  if (spellingOf(description) !== undefined) return 'begins with a time, which Prisma puts there itself';
  if (description.length > LONGEST) return `is longer than ${LONGEST} characters`;
  return DESCRIPTION.test(description) ? undefined : 'is not in lower_case_with_underscores';
}

/** The same words in the right spelling; empty where there is no letter in them. Pure. */
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
