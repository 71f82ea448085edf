import type { EnvironmentName } from '../config/settings.js';

/** What `pgkeep install` did. */
export interface InstallReport {
  /** Names of pgkeep's own migrations that were applied now; empty when all had been. */
  readonly applied: readonly string[];
}

/** What `pgkeep install --ddl-guard` or `--remove-ddl-guard` did. */
export interface DdlGuardReport {
  readonly database: string;
  /** False when all was as it is to be. */
  readonly changed: boolean;
  /** Of the application's: how many have the guard's TRUNCATE trigger now, or were freed of it. */
  readonly tables: number;
  /** Tables that were locked, or are not this role's: to be done by another run. */
  readonly passedOver: readonly string[];
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
