import type { EnvironmentName } from '../config/settings.js';

/** What `pgkeep install` did. */
export interface InstallReport {
  /** Names of pgkeep's own migrations that were applied now; empty when all had been. */
  readonly applied: readonly string[];
}

/** What `pgkeep stamp` did. */
export interface StampReport {
  readonly environment: EnvironmentName;
  readonly database: string;
  readonly systemIdentifier: string;
  readonly databaseOid: string;
  /** False when the database carried this very stamp already. */
  readonly changed: boolean;
}

/** How a stamp that says something else may be replaced. */
export interface StampOptions {
  /** Replace another environment's stamp. */
  readonly replace?: boolean;
  /** The database's name, typed again: needed with `replace`. */
  readonly target?: string | undefined;
  /** Who stamps, for the changelog. Defaults to the user of the operating system. */
  readonly actor?: string;
}
