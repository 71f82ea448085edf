import type { EnvironmentName } from '../config/settings.js';

/** How the stamp of another environment may be replaced. */
export interface StampOptions {
  /** Replace another environment's stamp. */
  readonly replace?: boolean;
  /** The database's name, typed again: required with `replace`. */
  readonly target?: string | undefined;
  /** Who stamps, for the audit log. Defaults to the user of the operating system. */
  readonly actor?: string;
}

/** What `pgkeep stamp` did. */
export interface StampReport {
  readonly environment: EnvironmentName;
  readonly database: string;
  readonly systemIdentifier: string;
  readonly databaseOid: string;
  /** False where the database had this stamp already. */
  readonly changed: boolean;
}

/** Identifies a database, whatever host name or pooler it is reached by. */
export interface DatabaseIdentity {
  /** `pg_control_system().system_identifier`: one per cluster and its physical copies. */
  readonly systemIdentifier: string;
  /** `pg_database.oid`. */
  readonly databaseOid: string;
}

/** The record in the database of which environment it serves. */
export interface Stamp extends DatabaseIdentity {
  readonly environment: EnvironmentName;
  readonly stampedAt: Date;
  readonly stampedBy: string;
}

/** The stamp, or why there is none. */
export type StampReading =
  | { readonly kind: 'stamped'; readonly stamp: Stamp }
  | { readonly kind: 'unstamped' }
  /** The database has no schema pgkeep. */
  | { readonly kind: 'not-installed' }
  /** The role may not read it. */
  | { readonly kind: 'unreadable'; readonly role: string };

/** What the check `environment` judges. */
export interface EnvironmentFacts {
  /** Undefined where the role may not ask for it. */
  readonly identity: DatabaseIdentity | undefined;
  readonly stamp: StampReading;
  /** Identity of the other of DATABASE_URL and DATABASE_URL_PROD; undefined where unset or out of reach. */
  readonly otherIdentity: DatabaseIdentity | undefined;
}

export function sameDatabase(left: DatabaseIdentity, right: DatabaseIdentity): boolean {
  return left.systemIdentifier === right.systemIdentifier && left.databaseOid === right.databaseOid;
}

/** Returns the grants without which a role cannot read the stamp. @param role quoted where SQL needs it */
export function stampGrants(role: string): string {
  return `GRANT USAGE ON SCHEMA pgkeep TO ${role}; GRANT SELECT ON pgkeep.database_environment TO ${role}`;
}
