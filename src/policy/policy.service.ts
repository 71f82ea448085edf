import { Inject, Injectable } from '@nestjs/common';
import { escapeIdentifier, type ClientBase } from 'pg';
import { loadEnvironment } from '../config/process-environment.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { findPrismaSchema } from '../migrations/prisma-config/find-prisma-schema.js';
import { withPrismaProject } from '../migrations/prisma-config/with-prisma-project.js';
import { runOnPool } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import { currentRole, readOne, type ReadTimeouts, tableExists } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import type { Rules } from '../prisma-schema/rules.js';
import type { PolicyCheck } from './check-policy.js';
import type { PolicyReport } from './judge-policy.js';
import type { TableRule } from './plan-policy.js';
import type {
  ApplyOptions,
  ApplyReport,
  PolicyOutcome,
  PolicyPlan,
  PolicyShown,
  RemovalReport,
  RemoveOptions,
} from './policy.types.js';

/** How long the declared rules are cached for `/ready`. */
const DECLARED_MS = 60_000;

/** The rules for tables and columns that the application declares in its Prisma schema (`/// @pgkeep.…`). */
@Injectable()
export class PolicyService {
  private completed: Promise<Settings> | undefined;
  private cached: { readonly rules: readonly TableRule[] | undefined; readonly readAt: number } | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Checks the declared rules without a database: misspelled words, contradictions, values of people that nothing
   * classifies, optional owners.
   * @throws PgkeepError `SCHEMA_NOT_FOUND`.
   */
  async check(): Promise<PolicyCheck> {
    return await (await loadDeclaredRules()).checkDeclaredRules(this.settings);
  }

  /** Returns the declared rules. @throws PgkeepError `SCHEMA_NOT_FOUND`. */
  async rules(): Promise<Rules> {
    return await (await loadDeclaredRules()).readSchemaRules(await this.withProject());
  }

  /**
   * Compares what is declared with what is in force, table by table. Without a Prisma schema, with what was applied.
   * @param schemaIsOptional also where the schema cannot be read, or has faults: a service has seldom a complete one
   * @throws PgkeepError `POLICY_INVALID`, `SCHEMA_NOT_FOUND`, or a `DATABASE_…` code.
   */
  async show({ schemaIsOptional = false } = {}): Promise<PolicyShown> {
    const { database } = this.settings.database.url;
    const declared = schemaIsOptional ? await this.declaredIfUsable() : await this.declaredIfThere();
    return await runOnPool(this.database, 'read the policy of the database', async (client) => ({
      database,
      ...(await judged(client, declared, this.database.timeouts)),
    }));
  }

  /**
   * Returns the same for `/ready`, on its connection. The declared rules are read once a minute; where there are no rules
   * at all, nothing more is loaded or asked.
   * @throws what the connection throws.
   */
  async report(client: ClientBase, timeouts: ReadTimeouts, monotonicMs: number): Promise<PolicyReport> {
    if (!this.cached || monotonicMs - this.cached.readAt > DECLARED_MS) {
      this.cached = { rules: await this.declaredIfUsable(), readAt: monotonicMs };
    }
    const { rules } = this.cached;
    const isDeclared = rules !== undefined && rules.length > 0;
    try {
      if (isDeclared || (await hasAppliedRules(client, timeouts)))
        return await judged(client, rules, timeouts);
      return { isDeclared: rules !== undefined, differences: [], tables: [] };
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.insufficientPrivilege) throw error;
      return unreadable(rules, await currentRole(client, timeouts));
    }
  }

  /**
   * Plans what makes the database enforce the declared rules, as SQL. Changes nothing.
   * @throws PgkeepError `POLICY_INVALID`, `SCHEMA_NOT_FOUND`, `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async plan(): Promise<PolicyPlan> {
    const declared = await this.declared();
    return await (await this.run()).plan(declared);
  }

  /**
   * Makes the database enforce the declared rules: installs the functions, then creates, fixes and seals table by table,
   * each in one transaction that is recorded in the audit log. A table in use is passed over.
   * @throws PgkeepError `POLICY_INVALID`, `POLICY_REFUSED`, `SCHEMA_NOT_FOUND`, `NOT_INSTALLED`, or a `DATABASE_…` code;
   *   then nothing was changed.
   */
  async apply(options: ApplyOptions = {}): Promise<ApplyReport> {
    const declared = await this.declared();
    return await (await this.run()).apply(declared, options);
  }

  /**
   * Applies the rules if any are declared, after a deploy or a start whose outcome stays whatever comes of it. Never
   * throws.
   * @returns undefined if no rule is declared, or no Prisma schema is found.
   */
  async applyIfDeclared(options: ApplyOptions): Promise<PolicyOutcome | undefined> {
    try {
      if ((await findPrismaSchema(this.settings)).kind !== 'found') return undefined;
      const declared = await this.declared();
      return declared.length === 0
        ? undefined
        : { applied: await (await this.run()).apply(declared, options) };
    } catch (error) {
      const hint = error instanceof PgkeepError ? error.hint : undefined;
      return { notApplied: [messageOf(error), hint].filter(Boolean).join(' ') };
    }
  }

  /**
   * Removes the triggers of one table, so that PostgreSQL enforces no rule there, and records why.
   * @param typed the table, `schema.table` or `table`, or its model
   * @throws PgkeepError `POLICY_REFUSED`, `TABLE_NOT_FOUND`, `USAGE_INVALID`, or a `DATABASE_…` code; nothing was changed.
   */
  async remove(typed: string, options: RemoveOptions): Promise<RemovalReport> {
    return await (await this.run()).remove(typed, options);
  }

  /** Completes the settings of a service, which evaluates the application's Prisma configuration only for this. */
  private async withProject(): Promise<Settings> {
    if (this.settings.prisma.kind !== 'not-evaluated') return this.settings;
    this.completed ??= withPrismaProject(this.settings, loadEnvironment().environment, { isOptional: true });
    return await this.completed;
  }

  private async declared(): Promise<readonly TableRule[]> {
    return await (await loadDeclaredRules()).readDeclaredRules(this.settings);
  }

  private async declaredIfThere(): Promise<readonly TableRule[] | undefined> {
    const location = await findPrismaSchema(this.settings);
    return location.kind === 'absent' ? undefined : await this.declared();
  }

  /** Reads the declared rules; the faults of a schema are for `policy check`, and the applied rules count instead. */
  private async declaredIfUsable(): Promise<readonly TableRule[] | undefined> {
    const location = await findPrismaSchema(this.settings).catch(() => undefined);
    return location?.kind === 'found' ? await this.declared().catch(() => undefined) : undefined;
  }

  private async run() {
    const { PolicyRun } = await import('./policy-run.js');
    return new PolicyRun(this.settings, this.database.timeouts);
  }
}

/** Loaded only where a schema is read: the start of a service without one needs no parser. */
async function loadDeclaredRules() {
  return await import('./declared-rules.js');
}

let judging: ReturnType<typeof loadJudge> | undefined;

/** Loaded where rules are declared or applied. */
async function loadJudge() {
  const { judgePolicy } = await import('./judge-policy.js');
  const { readPolicyState } = await import('./read-policy-state.js');
  return { judgePolicy, readPolicyState };
}

async function judged(
  client: ClientBase,
  declared: readonly TableRule[] | undefined,
  timeouts: ReadTimeouts,
): Promise<PolicyReport> {
  // Once for an evaluation of /ready and a request that come at the same time.
  judging ??= loadJudge();
  const { judgePolicy, readPolicyState } = await judging;
  return judgePolicy(declared, await readPolicyState(client, declared, timeouts));
}

async function hasAppliedRules(client: ClientBase, timeouts: ReadTimeouts): Promise<boolean> {
  if (!(await tableExists(client, { schema: 'pgkeep', table: 'table_policy' }, timeouts))) return false;
  const sql = 'SELECT EXISTS (SELECT FROM pgkeep.table_policy) AS "isApplied"';
  return (await readOne<{ isApplied: boolean }>(client, { sql, ...timeouts })).isApplied;
}

/** Returns the report of a role that may not read what was applied. It matters only if something is declared. */
function unreadable(declared: readonly TableRule[] | undefined, role: string): PolicyReport {
  const text = `whether the declared rules are enforced is not known: GRANT USAGE ON SCHEMA pgkeep TO ${escapeIdentifier(role)}`;
  const isDeclared = declared !== undefined;
  const matters = isDeclared && declared.length > 0;
  return { isDeclared, tables: [], differences: matters ? [{ code: 'POLICY_MISSING', text }] : [] };
}
