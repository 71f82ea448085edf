import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { escapeIdentifier, type Client, type ClientBase } from 'pg';
import { operator } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { counted } from '../core/text.js';
import { requireStamp, readStamp } from '../environment/stamp.js';
import { findPrismaSchema } from '../migrations/prisma-config/find-prisma-schema.js';
import { DatabaseService } from '../postgres/database.service.js';
import { currentRole, type ReadTimeouts } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { runOnDedicatedConnection, runOnPool } from '../postgres/connect.js';
import type { SchemaFile } from '../prisma-schema/prisma-schema.types.js';
import {
  applyTables,
  filledTables,
  type RefusePolicy,
  requirePolicyRights,
  runPolicyStatements,
  takePolicyLock,
} from './apply-policy.js';
import type { PolicyCheck } from './check-policy.js';
import { judgePolicy, type PolicyReport, ruleText } from './judge-policy.js';
import { planApply, removalOf, seedOnlyTables } from './plan-apply.js';
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
import { type PolicyState, type PolicyTable, readPolicyState } from './read-policy-state.js';

/** How long the declared rules are cached for `/ready`. */
const DECLARED_MS = 60_000;

/** The longest reason, as the ledger and the corrections have it. */
const LONGEST_REASON = 2000;

/** The rules for tables and columns that the application declares in its Prisma schema (`/// @pgkeep.…`). */
@Injectable()
export class PolicyService {
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
    // Loaded here: the start of the service needs none of it.
    const [{ checkPolicy }, { readPrismaSchema }] = await Promise.all([
      import('./check-policy.js'),
      import('../prisma-schema/read-prisma-schema.js'),
    ]);
    return checkPolicy(readPrismaSchema(await this.schemaFiles()));
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
      ...judgePolicy(declared, await readPolicyState(client, declared, this.database.timeouts)),
    }));
  }

  /** Returns the same for `/ready`, on its connection; the declared rules are read once a minute. */
  async report(client: ClientBase, timeouts: ReadTimeouts, monotonicMs: number): Promise<PolicyReport> {
    if (!this.cached || monotonicMs - this.cached.readAt > DECLARED_MS) {
      this.cached = { rules: await this.declaredIfUsable(), readAt: monotonicMs };
    }
    const { rules } = this.cached;
    try {
      return judgePolicy(rules, await readPolicyState(client, rules, timeouts));
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
    return await this.onConnection('plan the policy of', async (client) => this.draft(client, declared));
  }

  /**
   * Makes the database enforce the declared rules: installs the functions, then creates, fixes and seals table by table,
   * each in one transaction that is recorded in the audit log. A table in use is passed over.
   * @throws PgkeepError `POLICY_INVALID`, `POLICY_REFUSED`, `SCHEMA_NOT_FOUND`, `NOT_INSTALLED`, or a `DATABASE_…` code;
   *   then nothing was changed.
   */
  async apply({ actor = operator(), inDeploy = false }: ApplyOptions = {}): Promise<ApplyReport> {
    const declared = await this.declared();
    const { timeouts } = this.database;
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

  /**
   * Applies the rules if any are declared, after a deploy or a start whose outcome stays whatever comes of it. Never
   * throws.
   * @returns undefined if no rule is declared, or no Prisma schema is found.
   */
  async applyIfDeclared(options: ApplyOptions): Promise<PolicyOutcome | undefined> {
    try {
      if ((await findPrismaSchema(this.settings)).kind !== 'found') return undefined;
      if ((await this.declared()).length === 0) return undefined;
      return { applied: await this.apply(options) };
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
      const { timeouts } = this.database;
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
    const filled = await filledTables(client, seedOnlyTables(declared, state), this.database.timeouts);
    return { database: this.settings.database.url.database, ...planApply(declared, state, filled) };
  }

  private async state(client: Client, declared: readonly TableRule[]): Promise<PolicyState> {
    const state = await readPolicyState(client, declared, this.database.timeouts);
    if (state.isInstalled) return state;
    throw new PgkeepError(
      'NOT_INSTALLED',
      'Cannot read the policy: the database has no table pgkeep.table_policy. Nothing was changed.',
      { hint: 'Run `pgkeep install`.' },
    );
  }

  private async requireEnvironment(client: Client, refuse: RefusePolicy): Promise<void> {
    requireStamp(await readStamp(client, this.database.timeouts), this.settings.environment, refuse);
  }

  private async onConnection<T>(operation: string, work: (client: Client) => Promise<T>): Promise<T> {
    const options = { operation, applicationName: 'pgkeep policy' };
    return await runOnDedicatedConnection(this.settings.database, options, work);
  }

  /** Reads the declared rules; the faults of a schema are for `policy check`, and the applied rules count instead. */
  private async declaredIfUsable(): Promise<readonly TableRule[] | undefined> {
    return await this.declared().catch(() => undefined);
  }

  private async declaredIfThere(): Promise<readonly TableRule[] | undefined> {
    const location = await findPrismaSchema(this.settings);
    return location.kind === 'absent' ? undefined : await this.declared();
  }

  /** @throws PgkeepError `POLICY_INVALID`, `SCHEMA_NOT_FOUND`. */
  private async declared(): Promise<readonly TableRule[]> {
    const [{ obstacles }, { readPrismaSchema }, { readRules }, { planPolicy }] = await Promise.all([
      import('./check-policy.js'),
      import('../prisma-schema/read-prisma-schema.js'),
      import('../prisma-schema/rules.js'),
      import('./plan-policy.js'),
    ]);
    const rules = readRules(readPrismaSchema(await this.schemaFiles()));
    const faults = obstacles(rules);
    if (faults.length > 0) {
      const lines = faults.map(({ path: file, line, text }) => `${file}:${line}: ${text}`);
      throw new PgkeepError(
        'POLICY_INVALID',
        [`The declared policy has ${counted(faults.length, 'fault')}. Nothing was changed.`, ...lines].join(
          '\n',
        ),
        { hint: 'Correct the Prisma schema; `pgkeep policy check` lists everything.' },
      );
    }
    return planPolicy(rules, this.settings.database.url.schema);
  }

  private async schemaFiles(): Promise<SchemaFile[]> {
    const location = await findPrismaSchema(this.settings);
    if (location.kind === 'found') return await readFiles(location.files);
    const { why, hint } =
      location.kind === 'unknown'
        ? location
        : {
            why: 'there is no prisma/schema.prisma, and no prisma.config.ts that names another file',
            hint: 'Run the command in the application’s directory, or name the configuration with --config.',
          };
    throw new PgkeepError('SCHEMA_NOT_FOUND', `Cannot read the Prisma schema: ${why}.`, { hint });
  }
}

/** Returns the report of a role that may not read what was applied. It matters only if something is declared. */
function unreadable(declared: readonly TableRule[] | undefined, role: string): PolicyReport {
  const text = `whether the declared rules are enforced is not known: GRANT USAGE ON SCHEMA pgkeep TO ${escapeIdentifier(role)}`;
  const isDeclared = declared !== undefined;
  const matters = isDeclared && declared.length > 0;
  return { isDeclared, tables: [], differences: matters ? [{ code: 'POLICY_MISSING', text }] : [] };
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

async function readFiles(files: readonly string[]): Promise<SchemaFile[]> {
  return await Promise.all(
    files.map(async (file) => ({ path: path.relative('', file), text: await readText(file) })),
  );
}

/** @throws PgkeepError `SCHEMA_NOT_FOUND`. */
async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new PgkeepError('SCHEMA_NOT_FOUND', `Cannot read the Prisma schema ${file}: ${messageOf(error)}.`, {
      hint: 'Check the path and its permissions.',
    });
  }
}
