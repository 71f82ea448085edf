import type { PolicyReport } from './judge-policy.js';
import type { ApplyPlan } from './plan-apply.js';

/** How the policy is applied. */
export interface ApplyOptions {
  /** Who the audit log names. Defaults to the operator, `user@host` */
  readonly actor?: string;
  /** Whether the caller's session holds the lock of deploys already. Defaults to false */
  readonly inDeploy?: boolean;
}

/** What `pgkeep policy show` reports. */
export interface PolicyShown extends PolicyReport {
  readonly database: string;
}

/** What `pgkeep policy apply --dry-run` reports: what would be executed. */
export interface PolicyPlan extends ApplyPlan {
  readonly database: string;
}

/** Whether the policy was applied after a deploy. */
export type PolicyOutcome =
  | { readonly applied: ApplyReport }
  /** Why it was not applied, and what to do. */
  | { readonly notApplied: string };

/** A table whose rule was applied. */
export interface AppliedTable {
  /** Quoted where SQL needs it. */
  readonly name: string;
  /** In words; null where only the record of a table that is gone was removed. */
  readonly rule: string | null;
  /** The rule before; null if there was none. */
  readonly before: string | null;
  /** Whether INSERT is refused from now on. */
  readonly sealed: boolean;
}

/** What `pgkeep policy apply` reports. */
export interface ApplyReport extends Pick<ApplyPlan, 'passedOver' | 'open' | 'notDeclared' | 'inForce'> {
  readonly database: string;
  /** Whether the functions were installed, or replaced by those of this version. */
  readonly installedFunctions: boolean;
  readonly applied: readonly AppliedTable[];
}

/** How a rule is removed. */
export interface RemoveOptions {
  /** Why, for the audit log. */
  readonly because: string;
  /** The table's name typed again, as `policy show` writes it; required in production. */
  readonly confirm?: string | undefined;
  /** Who the audit log names. Defaults to the operator, `user@host` */
  readonly actor?: string;
}

/** What `pgkeep policy remove` reports. */
export interface RemovalReport {
  readonly database: string;
  /** Quoted where SQL needs it. */
  readonly table: string;
  /** The rule that is no longer enforced, in words. */
  readonly rule: string | null;
}
