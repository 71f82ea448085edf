import type { Metric, MetricFacts, Sample } from './metric.js';

/** Returns the metrics in Prometheus' text format 0.0.4. Pure. A metric of which nothing is known is left out. */
export function exposition(metrics: readonly Metric[], facts: MetricFacts): string {
  return metrics.map((metric) => familyOf(metric, metric.read(facts))).join('');
}

function familyOf({ name, type, help }: Metric, samples: readonly Sample[]): string {
  const known = samples.filter(({ value }) => Number.isFinite(value));
  if (known.length === 0) return '';
  const lines = known.map(({ labels, value }) => `${name}${labelsText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Escapes what the format wants escaped; every other character stands for itself. */
function escaped(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`);
}
