import type { EnvironmentName } from '../../config/settings.js';
import type { DatabaseIdentity, StampReading } from '../../environment/environment.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** Why the stamp could not be read. */
export interface StampNotRead {
  readonly kind: 'not-read';
  readonly cause: string;
  /** Whether the command cannot reach it either: no such database or server, or the login fails. */
  readonly isOutOfReach: boolean;
}

/** A database that a command would work on. */
export interface Target {
  /** `datasource`: the application's; `shadow`: the one that Prisma empties to replay the history. */
  readonly use: 'datasource' | 'shadow';
  /** The database's name. */
  readonly database: string;
  /** Its server, for people: without user and password. */
  readonly where: string;
  readonly stamp: StampReading | StampNotRead;
  /** Undefined if it could not be read. */
  readonly identity: DatabaseIdentity | undefined;
  /** What names this database as production: `DATABASE_URL_PROD`, `.env.production`. */
  readonly productionBy: string | undefined;
}

/** What the SQL of `db execute` does. */
export type SqlReading =
  | { readonly kind: 'harmless' }
  /** The statement, such as `DROP TABLE`, and its line. */
  | { readonly kind: 'destructive'; readonly what: string; readonly line: number }
  | { readonly kind: 'unread'; readonly why: string };

/** Everything that a decision depends on. */
export interface Facts {
  readonly command: PrismaCommand;
  /** What is refused, if not a Prisma command: completes "Refused to run …". */
  readonly what?: string;
  /** The environment according to the shell and `.env`. */
  readonly environment: EnvironmentName;
  /** `PRISMA_DB_PUSH_ALLOWED`: allows `db push` on staging, never on production. */
  readonly dbPushAllowed: boolean;
  /** Empty if no database is configured or needed. */
  readonly targets: readonly Target[];
  /** Undefined for commands that run no SQL script. */
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
      /** The database concerned. */
      readonly target: Target | undefined;
    };
