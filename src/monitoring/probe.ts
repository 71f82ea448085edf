import type { ClientBase, QueryResultRow } from 'pg';
import type { MonitoringSettings } from '../config/settings.js';
import { messageOf } from '../core/errors.js';
import { databaseFault } from '../postgres/database-fault.js';
import { read } from '../postgres/read.js';
import type { CodeText } from '../readiness/check.js';
import type {
  ApplicationSessions,
  Counters,
  MonitoringFinding,
  Replication,
  SessionCounts,
  Severity,
  StatementTime,
  TableSize,
  UnseenProbe,
  Vitals,
} from './monitoring.types.js';

/** How often a probe is due: every sample, every minute, every hour. */
export type Tier = 'sample' | 'minute' | 'hour';

/** What the statements of probes depend on. */
export interface ServerContext {
  /** `server_version_num`. */
  readonly versionNumber: number;
  readonly inRecovery: boolean;
  readonly role: string;
  /** Whether the role sees other roles' sessions and statements: pg_monitor. */
  readonly seesAll: boolean;
  /** The schema of pg_stat_statements; null if it is not installed in this database. */
  readonly statementsSchema: string | null;
  /** The version of the extension, `1.10` as 110: an upgrade of the server leaves the extension old. */
  readonly statementsVersion: number;
  /** Whether what monitoring keeps can be read: schema pgkeep is installed. */
  readonly hasRecords: boolean;
}

/** What a probe judges. */
export interface ProbeContext<Row> {
  readonly server: ServerContext;
  readonly thresholds: MonitoringSettings;
  /** The rows of the sample before, for rates; undefined in the first. */
  readonly before: readonly Row[] | undefined;
  /** Time since the sample before, in seconds. */
  readonly elapsedSeconds: number;
}

/** A finding as a probe reports it: the remedy is the code's if it brings none. */
export interface NewFinding<Code extends string> {
  readonly code: Code;
  readonly severity: Severity;
  readonly subject?: string;
  readonly text: string;
  readonly remedy?: string;
  readonly sql?: string;
}

/** What a probe saw: findings, and values to show. */
export interface Observation<Code extends string = string> {
  readonly findings?: readonly NewFinding<Code>[];
  readonly vitals?: Partial<Vitals>;
  readonly counters?: Partial<Counters>;
  readonly replication?: Replication;
  readonly sessions?: SessionCounts;
  readonly applications?: readonly ApplicationSessions[];
  readonly statements?: readonly StatementTime[];
  readonly largest?: readonly TableSize[];
  /** The integer key that has used most of its numbers. */
  readonly fullestKey?: { readonly name: string; readonly share: number };
  /** When the password of the role stops working. ISO 8601. */
  readonly passwordExpiry?: { readonly role: string; readonly at: string };
}

/** The one declaration of a probe. docs/monitoring.md is derived from it. */
export interface ProbeDefinition<Row extends QueryResultRow, Code extends string> {
  readonly name: string;
  readonly tier: Tier;
  /** What the server spends on it, measured. */
  readonly cost: string;
  /** What the role needs to see everything; undefined: nothing. */
  readonly needs?: string;
  readonly codes: Readonly<Record<Code, CodeText>>;
  /** Whether it brings rates, which take two samples. */
  readonly hasRates?: boolean;
  /**
   * Returns the one SELECT; undefined if it does not apply to this server. It opens no table of the application, unless
   * its comment says so: a table that is locked would make the probe wait.
   */
  readonly sql: (server: ServerContext) => string | undefined;
  /** Pure: what an error of the statement means, if that is known. */
  readonly explain?: (error: unknown) => Observation<NoInfer<Code>> | undefined;
  /** Pure: same rows, same observation. */
  readonly judge: (rows: readonly Row[], context: ProbeContext<Row>) => Observation<NoInfer<Code>>;
}

/** A probe. */
export interface Probe<Row extends QueryResultRow = QueryResultRow> {
  readonly name: string;
  readonly tier: Tier;
  readonly cost: string;
  readonly needs: string | undefined;
  readonly codes: Readonly<Record<string, CodeText>>;
  readonly hasRates: boolean;
  /** A method, so that a list can hold probes of different rows: each judges only what it read itself. */
  judge(rows: readonly Row[], context: ProbeContext<Row>): Observation;
  /** Returns a sampler, which remembers its last rows for rates. */
  readonly sampler: () => Sampler;
}

/** Samples with one probe. */
export interface Sampler {
  readonly probe: Pick<Probe, 'name' | 'tier' | 'hasRates'>;
  /** @throws what broke the connection. */
  readonly sample: (client: ClientBase, given: SampleContext) => Promise<Sampled>;
}

/** What every probe of a sample is given. */
export interface SampleContext {
  readonly server: ServerContext;
  readonly thresholds: MonitoringSettings;
  /** In ms, on a monotonic clock. */
  readonly nowMs: number;
}

/** What a probe saw, or why it saw nothing. */
export interface Sampled extends Omit<Observation, 'findings'> {
  readonly findings: readonly MonitoringFinding[];
  readonly unseen: UnseenProbe | undefined;
}

/** A probe's statement may work this long, in ms; those of the hourly ones longer. */
export const STATEMENT_MS: Readonly<Record<Tier, number>> = { sample: 4000, minute: 4000, hour: 15_000 };

/** The longest wait for a lock, in ms. */
export const LOCK_MS = 100;

/** Returns how fast a counter rises; null if it went down, because it was reset, and where no time has passed. */
export function perSecond(now: number, before: number, elapsedSeconds: number): number | null {
  return elapsedSeconds > 0 && now >= before ? (now - before) / elapsedSeconds : null;
}

/** Declares a probe. */
export function defineProbe<Row extends QueryResultRow, const Code extends string>(
  definition: ProbeDefinition<Row, Code>,
): Probe<Row> {
  const { name, tier, cost, needs, codes, hasRates = false } = definition;
  const probe: Probe<Row> = {
    name,
    tier,
    cost,
    needs,
    codes,
    hasRates,
    judge: definition.judge,
    sampler: () => {
      let before: { readonly rows: readonly Row[]; readonly nowMs: number } | undefined;
      const sample = async (client: ClientBase, given: SampleContext): Promise<Sampled> => {
        const sql = definition.sql(given.server);
        if (sql === undefined) return { findings: [], unseen: undefined };
        const completed = ({ findings = [], ...seen }: Observation<Code>): Sampled => ({
          ...seen,
          findings: findings.map((finding) => complete(finding, codes)),
          unseen: undefined,
        });
        try {
          const rows = await read<Row>(client, {
            sql,
            statementTimeoutMs: STATEMENT_MS[tier],
            lockTimeoutMs: LOCK_MS,
            isWithoutJit: true,
          });
          const observation = definition.judge(rows, {
            server: given.server,
            thresholds: given.thresholds,
            before: before?.rows,
            elapsedSeconds: before ? (given.nowMs - before.nowMs) / 1000 : 0,
          });
          before = { rows, nowMs: given.nowMs };
          return completed(observation);
        } catch (error) {
          // Nothing more can be asked on a connection that broke.
          if (databaseFault(error).code === 'DATABASE_UNREACHABLE') throw error;
          const explained = definition.explain?.(error);
          if (explained) return completed(explained);
          return { findings: [], unseen: { probe: name, reason: messageOf(error) } };
        }
      };
      return { probe, sample };
    },
  };
  return probe;
}

function complete<Code extends string>(
  { code, severity, subject, text, remedy, sql }: NewFinding<Code>,
  codes: Readonly<Record<Code, CodeText>>,
): MonitoringFinding {
  return {
    code,
    severity,
    subject: subject ?? '',
    text,
    remedy: remedy ?? codes[code].remedy,
    sql: sql ?? null,
  };
}
