import type { DatabaseUrl } from './database-url.js';
import { parseDatabaseUrl } from './database-url.js';
import { urlFromFile } from './database-settings.js';
import { Setting } from './setting.js';
import { parseMegabytes, parseMinutes } from './setting-parsers.js';
import { IsDatabaseUrl, IsWholeNumber } from './setting-rules.js';

/** Where restores are tested, and what they need. */
export class RestoreVariables {
  /** Undefined: a temporary PostgreSQL on this machine. */
  @Setting('TEST_DATABASE_URL', {
    text: 'the server for restore tests, in a database created for each; never the protected one',
    defaultText: 'a temporary PostgreSQL on this machine, if its server programs are installed',
    example: 'postgresql://user:password@host:5432/scratch',
    secret: true,
    family: 'TEST_DATABASE_',
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly testUrl: DatabaseUrl | undefined;

  /** A longer restore test is ended and counts as failed. */
  @Setting('RESTORE_TEST_TIMEOUT_MINUTES', {
    text: 'a restore test that takes longer is ended and counts as failed',
    default: '360',
    unit: 'minutes',
    parse: parseMinutes,
  })
  @IsWholeNumber({ min: 1, max: 10_080 })
  readonly testTimeoutMs: number;

  /** Undefined: the size of the database that was backed up. */
  @Setting('RESTORE_REQUIRED_FREE_MB', {
    text: 'free space that a restore and a restore test need on the disk of the server, if pgkeep can see it; 0 skips the check',
    defaultText: 'the size of the database that was backed up',
    example: '5000',
    unit: 'MB',
    parse: parseMegabytes,
  })
  @IsWholeNumber({ max: 1_000_000_000 })
  readonly requiredFreeBytes: number | undefined;
}
