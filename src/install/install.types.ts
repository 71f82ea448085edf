/** What `pgkeep install` did. */
export interface InstallReport {
  /** Names of pgkeep's own migrations that were applied now; empty when all had been. */
  readonly applied: readonly string[];
}
