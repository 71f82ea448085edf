import type { MonitorSample } from '../monitoring/watch/monitor-sample.js';
import type { Learned } from '../readiness/learned.js';
import type { Verdict } from '../readiness/readiness.types.js';

/** What this process knows, from memory: all that metrics are read from. */
export interface MetricFacts {
  /** pgkeep's version. */
  readonly version: string;
  readonly environment: string;
  /** The guarded database. */
  readonly database: string;
  readonly verdict: Verdict;
  /** Undefined before the first evaluation of the checks has ended. */
  readonly learned: Learned | undefined;
  /** Undefined without monitoring, and before the first sample. */
  readonly sample: MonitorSample | undefined;
}

/** One value of a metric. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Record<Label, string>>;
  /** A number that is not finite is left out: it is no measurement. */
  readonly value: number;
}

/** The one declaration of a metric. The table of docs/metrics.md is derived from it. */
export interface Metric<Label extends string = string> {
  readonly name: `pgkeep_${string}`;
  readonly type: 'gauge' | 'counter';
  /** One line. */
  readonly help: string;
  /** Their values come from a short list: no label names a table, a statement or a session. */
  readonly labels: readonly Label[];
  /** Pure. Returns no two samples with the same labels; none for what is not known. */
  read(facts: MetricFacts): readonly Sample<Label>[];
}

/** Declares a metric with labels. */
export function labelled<const Label extends string>(metric: Metric<Label>): Metric {
  return metric;
}

/** Declares a metric without labels. @param read returns undefined or null while the value is not known */
export function single(
  metric: Pick<Metric, 'name' | 'type' | 'help'>,
  read: (facts: MetricFacts) => number | boolean | Date | null | undefined,
): Metric {
  return {
    ...metric,
    labels: [],
    read: (facts) => {
      const value = read(facts);
      return value === undefined || value === null ? [] : [{ labels: {}, value: numberOf(value) }];
    },
  };
}

/** Returns the number that stands for a value: seconds since 1970 for a time, 1 for true. */
export function numberOf(value: number | boolean | Date): number {
  return value instanceof Date ? value.getTime() / 1000 : Number(value);
}
