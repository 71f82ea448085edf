import type { SendingCounts } from '../alerts/send-outbox.js';
import type { Alerts } from '../alerts/step.js';
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
  /** Since the start of this process. */
  readonly failedLogins: number;
  /** Undefined without monitoring, and before the first sample. */
  readonly sample: MonitorSample | undefined;
  /** Empty without monitoring. */
  readonly alerts: Alerts;
  /** Of the messages about alerts, by receiver. */
  readonly deliveries: SendingCounts;
}

/** One value of a metric. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Record<Label, string>>;
  /** A number that is not finite is left out: it is no measurement. */
  readonly value: number;
}

/** The one declaration of a metric. The tables of docs/metrics.md are derived from it. */
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

type Described = Pick<Metric, 'name' | 'type' | 'help'>;

/** What a metric reads: seconds since 1970 stand for a time, 1 for true, nothing for what is not known. */
export type Reading = number | boolean | Date | null | undefined;

/** Declares a metric without labels. */
export function single(described: Described, read: (facts: MetricFacts) => Reading): Metric {
  return { ...described, labels: [], read: (facts) => samplesOf({}, read(facts)) };
}

/** Declares a metric with one label. @param read returns each value of the label once, with what it has */
export function byLabel(
  { label, ...described }: Described & { readonly label: string },
  read: (facts: MetricFacts) => readonly (readonly [of: string, reading: Reading])[],
): Metric {
  return {
    ...described,
    labels: [label],
    read: (facts) => read(facts).flatMap(([of, reading]) => samplesOf({ [label]: of }, reading)),
  };
}

/** Declares a metric with several labels. */
export function byLabels<const Label extends string>(metric: Metric<Label>): Metric {
  return metric;
}

function samplesOf(labels: Sample['labels'], reading: Reading): Sample[] {
  if (reading === undefined || reading === null) return [];
  return [{ labels, value: reading instanceof Date ? reading.getTime() / 1000 : Number(reading) }];
}
