import type { GuardSettings } from '../../config/guard-settings.js';
import { decide } from './decide.js';
import type { Verdict } from './guard.types.js';
import { readTarget } from './read-target.js';

const NO_OPTIONS = {
  url: undefined,
  urlWins: false,
  shadowUrl: undefined,
  file: undefined,
  config: undefined,
} as const;

/** What a test suite does to its database is judged as the most that Prisma could do to it. */
const ANYTHING = { name: '', effect: 'develop', usesShadow: false, ...NO_OPTIONS } as const;

/** Whether a test suite may have this database. It is one, whatever NODE_ENV says. */
export async function judgeTestDatabase(
  url: string | undefined,
  { production }: GuardSettings,
): Promise<Verdict> {
  if (!url) return { verdict: 'allow' };
  const targets = [await readTarget('datasource', url, production)];
  const verdict = decide({
    command: ANYTHING,
    what: 'the tests',
    environment: 'test',
    dbPushAllowed: false,
    targets,
  });
  const remedy = 'Give the tests a database of their own, and stamp it: `pgkeep stamp test`.';
  return verdict.verdict === 'allow' ? verdict : { ...verdict, remedy };
}
