import type { Client } from 'pg';
import { operator } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { requireChangeable } from '../environment/stamp.js';
import { runOnDedicatedConnection } from '../postgres/connect.js';
import type { ReadTimeouts } from '../postgres/read.js';
import {
  applyTables,
  filledTables,
  type RefusePolicy,
  requirePolicyRights,
  runPolicyStatements,
  takePolicyLock,
} from './apply-policy.js';
import { ruleText } from './judge-policy.js';
import { planApply, removalOf, seedOnlyTables } from './plan-apply.js';
import type { TableRule } from './plan-policy.js';
import type { ApplyOptions, ApplyReport, PolicyPlan, RemovalReport, RemoveOptions } from './policy.types.js';
import { type PolicyState, type PolicyTable, readPolicyState } from './read-policy-state.js';

/** The longest reason, as the ledger and the corrections have it. */
const LONGEST_REASON = 2000;

/** Changes to the policy of the configured database, each on a dedicated connection. */
export class PolicyRun {
  constructor(
    private readonly settings: Settings,
    private readonly timeouts: ReadTimeouts,
  ) {}

  /** @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code. */
  async plan(declared: readonly TableRule[]): Promise<PolicyPlan> {
    return await this.onConnection(
      'plan the policy of',
      async (client) => await this.draft(client, declared),
    );
  }

  /** @throws PgkeepError `POLICY_REFUSED`, `NOT_INSTALLED`, or a `DATABASE_…` code. */
  async apply(
    declared: readonly TableRule[],
    { actor = operator(), inDeploy = false }: ApplyOptions,
  ): Promise<ApplyReport> {
    const { timeouts } = this;
    return await this.onConnection('apply the policy to', async (client) => {
      await this.requireEnvironment(client, refuseTo('apply the policy'));
      if (!inDeploy) await takePolicyLock(client, refuseTo('apply the policy'));
      const { database, ...plan } = await this.draft(client, declared);
      const isChange = plan.functions.length > 0 || plan.tables.length > 0;
      const installsFunctions = plan.functions.length > 0;
      const rights = { operation: 'apply the policy', installsFunctions };
      if (isChange) await requirePolicyRights(client, rights, timeouts);
      const entry = { action: 'policy', subject: database, actor } as const;
      if (installsFunctions) {
        await runPolicyStatements(client, plan.functions, {
          timeouts,
          entry: { ...entry, details: { action: 'functions' } },
        });
      }
      const done = await applyTables(client, plan, {
        timeouts,
        entryOf: ({ name, rule, before, seals }) => ({
          ...entry,
          details: {
            action: rule === null ? 'forgotten' : 'applied',
            table: name,
            rule,
            before,
            sealed: seals,
          },
        }),
      });
      return {
        database,
        installedFunctions: installsFunctions,
        inForce: plan.inForce,
        applied: done.applied.map(({ name, rule, before, seals }) => ({ name, rule, before, sealed: seals })),
        passedOver: [...plan.passedOver, ...done.passedOver],
        open: plan.open,
        notDeclared: plan.notDeclared,
      };
    });
  }

  /** @throws PgkeepError `POLICY_REFUSED`, `TABLE_NOT_FOUND`, `USAGE_INVALID`, or a `DATABASE_…` code. */
  async remove(
    typed: string,
    { because, confirm, actor = operator() }: RemoveOptions,
  ): Promise<RemovalReport> {
    const reason = because.trim();
    if (reason === '' || reason.length > LONGEST_REASON) {
      throw new PgkeepError(
        'USAGE_INVALID',
        `--because takes the reason, of at most ${LONGEST_REASON} characters; it is kept in the audit log.`,
      );
    }
    return await this.onConnection('remove a rule of', async (client) => {
      const refuse = refuseTo(`remove the rule of ${typed}`);
      await this.requireEnvironment(client, refuse);
      const { timeouts } = this;
      const state = await this.state(client, []);
      const table = tableNamed(typed, state);
      const name = table.found?.relations[0]?.name ?? `${table.schema}.${table.table}`;
      if (this.settings.environment === 'production' && confirm !== name) {
        throw refuse('this is production', `If it must be: add \`--confirm ${name}\`.`);
      }
      await takePolicyLock(client, refuse);
      const operation = `remove the rule of ${name}`;
      await requirePolicyRights(client, { operation, installsFunctions: false }, timeouts);
      const rule = table.applied ? ruleText(table.applied) : null;
      const { database } = this.settings.database.url;
      const details = { action: 'removed', table: name, rule, because: reason };
      await runPolicyStatements(client, removalOf(table), {
        timeouts,
        entry: { action: 'policy', subject: database, details, actor },
      });
      return { database, table: name, rule };
    });
  }

  private async draft(client: Client, declared: readonly TableRule[]): Promise<PolicyPlan> {
    const state = await this.state(client, declared);
    const filled = await filledTables(client, seedOnlyTables(declared, state), this.timeouts);
    return { database: this.settings.database.url.database, ...planApply(declared, state, filled) };
  }

  private async state(client: Client, declared: readonly TableRule[]): Promise<PolicyState> {
    const state = await readPolicyState(client, declared, this.timeouts);
    if (state.isInstalled) return state;
    throw new PgkeepError(
      'NOT_INSTALLED',
      'Cannot read the policy: the database has no table pgkeep.table_policy. Nothing was changed.',
      { hint: 'Run `pgkeep install`.' },
    );
  }

  private async requireEnvironment(client: Client, refuse: RefusePolicy): Promise<void> {
    const { timeouts, settings } = this;
    await requireChangeable(client, { environment: settings.environment, timeouts }, refuse);
  }

  private async onConnection<T>(operation: string, work: (client: Client) => Promise<T>): Promise<T> {
    const options = { operation, applicationName: 'pgkeep policy' };
    return await runOnDedicatedConnection(this.settings.database, options, work);
  }
}

function refuseTo(operation: string): RefusePolicy {
  return (why, hint) =>
    new PgkeepError('POLICY_REFUSED', `Refused to ${operation}: ${why}. Nothing was changed.`, { hint });
}

/** @throws PgkeepError `TABLE_NOT_FOUND`. */
function tableNamed(typed: string, { tables }: PolicyState): PolicyTable {
  const applied = tables.filter((table) => table.applied);
  const named = applied.filter(({ schema, table, found, applied: rule }) =>
    [table, `${schema}.${table}`, found?.relations[0]?.name, rule?.model].includes(typed),
  );
  const [first] = named;
  if (first && named.length === 1) return first;
  const names = (of: readonly PolicyTable[]) =>
    of.map(({ schema, table }) => `${schema}.${table}`).join(', ') || 'none';
  throw new PgkeepError(
    'TABLE_NOT_FOUND',
    first
      ? `"${typed}" is ambiguous: it matches ${names(named)}.`
      : `No rule was applied to a table "${typed}". Nothing was changed.`,
    { hint: `Tables with a rule: ${names(applied)}.` },
  );
}
