import {
  Inject,
  Injectable,
  Module,
  type DynamicModule,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { withoutSecrets } from '../config/redact-secrets.js';
import { GATES, type Gate } from '../config/settings.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import { DeadlineError, withDeadline } from '../postgres/deadline.js';
import type { CheckOutcome, Finding, GENERAL_CODES } from './check.js';
import { CHECK_NAMES } from './checks.js';
import type { Fact } from './readiness.types.js';

/** What an application's own check found. */
export interface CheckResult {
  readonly ok: boolean;
  /** One line for people, such as `Redis 7.4, 1 ms`. */
  readonly details: string;
  /** Where it is not ok: why, for machines, such as `REDIS_DOWN`. Defaults to `CHECK_FAILED`. */
  readonly code?: string;
}

/**
 * A check that an application adds to `/ready`: a provider that implements this, named in
 * `PgkeepModule.forRoot(settings, { checks: [RedisCheck] })`.
 */
export interface ReadinessCheck {
  /** Unique, such as `redis`: the key in `/ready` and the name in `READINESS_GATES`. */
  readonly name: string;
  /** The gate where `READINESS_GATES` does not name the check. Defaults to `enforce`. */
  readonly gate?: Gate;
  /**
   * Called once in each evaluation, and not again before the last call has ended. A check that throws, that returns
   * anything but a result, or that does not answer within `READINESS_TIMEOUT_MS` fails.
   * @param signal aborted at the deadline
   */
  check(signal: AbortSignal): CheckResult | Promise<CheckResult>;
}

/** The application's own checks, and the modules that export what they inject. */
export interface ApplicationCheckOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly checks?: readonly Type<ReadinessCheck>[];
}

/** The injection token of the application's own checks. */
const APPLICATION_CHECKS = Symbol('pgkeep application checks');

/** Why an application's own check gave no result. */
export type CheckFault = Finding<keyof typeof GENERAL_CODES>;

/** The results of the application's own checks, by name. */
export type ApplicationFacts = Readonly<Record<string, Fact<CheckResult, CheckFault>>>;

const NAME = /^[a-z][a-z0-9_-]{0,63}$/i;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Longer details are cut: they are in every response of `/ready`. */
const LONGEST_DETAILS = 1000;

/** Runs the checks that the application added. */
@Injectable()
export class ApplicationChecks {
  private readonly underWay = new Set<string>();

  /** @throws PgkeepError `CONFIG_INVALID` where a name is unusable or taken. */
  constructor(@Inject(APPLICATION_CHECKS) readonly checks: readonly ReadinessCheck[]) {
    checks.forEach((check, index) => requireUsable(check, checks.slice(0, index)));
  }

  /** Runs every check, all at the same time. Ends within `deadlineMs`; never throws. */
  async run(deadlineMs: number): Promise<ApplicationFacts> {
    const facts = this.checks.map(
      async (check) => [check.name, await this.runOne(check, deadlineMs)] as const,
    );
    return Object.fromEntries(await Promise.all(facts));
  }

  private async runOne(check: ReadinessCheck, deadlineMs: number): Promise<Fact<CheckResult, CheckFault>> {
    if (this.underWay.has(check.name)) {
      const text = 'the call of an earlier evaluation has not returned yet';
      return { reason: { code: 'CHECK_TIMEOUT', text, isUnanswered: true } };
    }
    const deadline = new AbortController();
    try {
      return { value: toResult(await withDeadline(this.call(check, deadline.signal), deadlineMs)) };
    } catch (error) {
      if (error instanceof DeadlineError) {
        return { reason: { code: 'CHECK_TIMEOUT', text: error.message, isUnanswered: true } };
      }
      const text = `The check itself failed: ${toDetails(messageOf(error))}`;
      return { reason: { code: 'CHECK_FAILED', text, isUnanswered: false } };
    } finally {
      deadline.abort();
    }
  }

  private async call(check: ReadinessCheck, signal: AbortSignal): Promise<unknown> {
    this.underWay.add(check.name);
    try {
      return await check.check(signal);
    } finally {
      this.underWay.delete(check.name);
    }
  }
}

/** Makes the application's checks. Global: every module that imports ReadinessModule has the same. */
@Module({})
export class ApplicationChecksModule {
  static of({ checks = [], imports = [] }: ApplicationCheckOptions): DynamicModule {
    const all = {
      provide: APPLICATION_CHECKS,
      inject: [...checks],
      useFactory: (...made: ReadinessCheck[]) => made,
    };
    return {
      module: ApplicationChecksModule,
      global: true,
      imports,
      providers: [...checks, all, ApplicationChecks],
      exports: [ApplicationChecks],
    };
  }
}

/** Judges an application's own check. Pure. */
export function judgeApplicationCheck(fact: Fact<CheckResult, CheckFault>): CheckOutcome {
  if ('reason' in fact) return { ok: false, code: fact.reason.code, details: fact.reason.text };
  const { ok, details, code = 'CHECK_FAILED' } = fact.value;
  return ok ? { ok, details } : { ok, details, code };
}

/** @throws TypeError where it is none. The text does not show it: it may hold a secret. */
function toResult(value: unknown): CheckResult {
  const { ok, details, code }: Record<string, unknown> =
    typeof value === 'object' && value !== null ? { ...value } : {};
  if (typeof ok !== 'boolean' || typeof details !== 'string') {
    throw new TypeError('it returned something other than { ok: boolean, details: string }');
  }
  if (code === undefined) return { ok, details: toDetails(details) };
  if (typeof code !== 'string' || !CODE.test(code)) {
    throw new TypeError('its code is not in capitals, digits and underscores, such as REDIS_DOWN');
  }
  return { ok, details: toDetails(details), code };
}

function toDetails(text: string): string {
  const line = withoutSecrets(text)
    .replaceAll(/\s*[\r\n]\s*/g, ' ')
    .trim();
  return line.length > LONGEST_DETAILS ? `${line.slice(0, LONGEST_DETAILS)}…` : line;
}

function requireUsable({ name, gate = 'enforce' }: ReadinessCheck, before: readonly ReadinessCheck[]): void {
  const taken = [...CHECK_NAMES, ...before.map((check) => check.name)];
  const fault =
    (!NAME.test(name) && 'its name must begin with a letter and hold only letters, digits, "_" and "-"') ||
    (taken.some((other) => other.toLowerCase() === name.toLowerCase()) && 'there is a check of that name') ||
    (!GATES.includes(gate) && `its gate must be one of ${GATES.join(', ')}`);
  if (!fault) return;
  throw new PgkeepError('CONFIG_INVALID', `The application's check "${name}" cannot be added: ${fault}.`, {
    hint: 'Change it in the class that PgkeepModule is given in `checks`.',
  });
}
