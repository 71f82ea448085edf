import type { Environment } from '../config/read-settings.js';
import type { EnvironmentName } from '../config/settings.js';
import type { ServerFacts } from '../postgres/server-facts.js';
import type { Verdict } from '../readiness/readiness.types.js';

/** What several lines rest on; read once for all of them. */
export interface DoctorFacts {
  /** The server's answer; undefined where the database was not reached. */
  readonly server: ServerFacts | undefined;
  /** Why it was not reached, and what to do. */
  readonly serverFault: { readonly text: string; readonly next: string | undefined } | undefined;
  /** One evaluation of the readiness checks. */
  readonly verdict: Verdict;
}

/** What the doctor is asked for. */
export interface DoctorOptions {
  /** The environment that the settings were read from: for programs of the application, such as Prisma. */
  readonly environment: Environment;
  /** Checks only what needs no database: for a pre-commit hook and CI. Defaults to false. */
  readonly beforeCommit?: boolean;
  /** The git reference that new migrations and SQL files are compared with. Defaults to `HEAD`: what is not committed. */
  readonly changedSince?: string | undefined;
  /** Aborting it ends the checks and the programs that they started. */
  readonly signal?: AbortSignal;
}

/** `skip`: the line does not apply here, or cannot be checked; `details` says why. */
export type LineStatus = 'ok' | 'fail' | 'skip';

/** What the check of a line found. */
export interface LineResult {
  readonly status: LineStatus;
  readonly details: string;
  /** What to run next: a command, SQL, or what to set. */
  readonly next?: string | undefined;
}

/** One line of a checklist, and how it is checked. */
export interface Line {
  /** Stable; part of the `--json` contract. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Whether it is skipped while the database does not answer. Defaults to false. */
  readonly needsDatabase?: boolean;
  /** How long the check may take, in ms. Defaults to 10 seconds. */
  readonly deadlineMs?: number;
  /** An error that it throws fails the line. Must not change anything. */
  readonly check: (signal: AbortSignal) => Promise<LineResult>;
}

/** A checked line. */
export interface DoctorLine {
  readonly name: string;
  readonly title: string;
  readonly status: LineStatus;
  readonly details: string;
  /** What to run next; null where there is nothing to do, or nothing is known to help. */
  readonly next: string | null;
}

/** A checklist, by the heading that the database guides give it. */
export interface DoctorGroup {
  readonly heading: string;
  readonly lines: readonly DoctorLine[];
}

/** What `pgkeep doctor` answers. */
export interface DoctorReport {
  /** `failed`: at least one line failed. */
  readonly verdict: 'passed' | 'failed';
  readonly environment: EnvironmentName | null;
  readonly groups: readonly DoctorGroup[];
  readonly counts: Readonly<Record<LineStatus, number>>;
}
