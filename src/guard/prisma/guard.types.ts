import type { EnvironmentName } from '../../config/settings.js';
import type { DatabaseIdentity, StampReading } from '../../environment/environment.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** Why nobody could ask the database for its stamp. */
export interface NotAsked {
  readonly kind: 'not-asked';
  readonly cause: string;
  /** Whether nothing can be harmed there: no such database or server, or it lets nobody in by this URL. */
  readonly isOutOfReach: boolean;
}

/** A database that a command would work on. */
export interface Target {
  /** `datasource`: the application's; `shadow`: the one that Prisma empties to replay the history in. */
  readonly use: 'datasource' | 'shadow';
  /** The database's name. */
  readonly database: string;
  /** Its server, for people: no user, no password. */
  readonly where: string;
  readonly stamp: StampReading | NotAsked;
  /** Undefined where the role may not ask, or nobody could. */
  readonly identity: DatabaseIdentity | undefined;
  /** The name of what says that this is production's database: `DATABASE_URL_PROD`, `.env.production`. */
  readonly productionBy: string | undefined;
}

/** What the SQL of `db execute` does. */
export type SqlReading =
  | { readonly kind: 'harmless' }
  /** The statement, such as `DROP TABLE`, and the line it is on. */
  | { readonly kind: 'destructive'; readonly what: string; readonly line: number }
  | { readonly kind: 'unread'; readonly why: string };

/** All that a decision rests on. */
export interface Facts {
  readonly command: PrismaCommand;
  /** What is refused, where it is no command of Prisma's: completes "Refused to run …". */
  readonly what?: string;
  /** Which environment the shell and `.env` say this is. */
  readonly environment: EnvironmentName;
  /** `PRISMA_DB_PUSH_ALLOWED`: opens staging, never production. */
  readonly dbPushAllowed: boolean;
  /** Empty where no database is configured, or none needed to be asked. */
  readonly targets: readonly Target[];
  /** Undefined for commands that run no SQL of their own. */
  readonly sql?: SqlReading;
}

/** Whether a command may run. */
export type Verdict =
  | { readonly verdict: 'allow' }
  | {
      readonly verdict: 'refuse';
      /** What is refused, and why. */
      readonly reason: string;
      /** What to do instead. */
      readonly remedy: string;
      /** The database that it is about. */
      readonly target: Target | undefined;
    };
