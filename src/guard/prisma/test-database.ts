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

/** A test suite is judged like the most destructive Prisma command. */
const ANYTHING = { name: '', effect: 'develop', usesShadow: false, ...NO_OPTIONS } as const;

/** Decides whether a test suite may use this database, as with NODE_ENV=test. */
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
  const remedy = 'Use a separate database for the tests, and stamp it: `pgkeep stamp test`.';
  return verdict.verdict === 'allow' ? verdict : { ...verdict, remedy };
}
