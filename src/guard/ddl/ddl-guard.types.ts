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
