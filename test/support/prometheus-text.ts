/** One value of an exposition. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An exposition in Prometheus' text format 0.0.4. */
export class Exposition {
  constructor(
    readonly types: ReadonlyMap<string, string>,
    readonly series: readonly Series[],
  ) {}

  /** The value of a metric with these labels; undefined where there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    return this.of(name).find((one) =>
      Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )?.value;
  }

  /** The series of one metric. */
  of(name: string): readonly Series[] {
    return this.series.filter((one) => one.name === name);
  }

  /** The values of a metric by its one label. */
  by(name: string): Readonly<Record<string, number>> {
    return Object.fromEntries(
      this.of(name).map(({ labels, value }) => [Object.values(labels).join(), value]),
    );
  }
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

/** Reads an exposition as strictly as Prometheus does. @throws Error on anything that it would refuse, or warn of. */
export function parseExposition(text: string): Exposition {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is not complete');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  const series: Series[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind !== undefined) {
      if (!NAME.test(name) || (kind === 'TYPE' && types.has(name)) || (kind === 'HELP' && helped.has(name)))
        throw new Error(`wrong or repeated: ${line}`);
      if (kind === 'HELP') helped.add(name);
      else types.set(name, rest);
      continue;
    }
    const sample = sampleOf(line);
    if (!helped.has(sample.name) || [...types.keys()].at(-1) !== sample.name)
      throw new Error(`not below its HELP and TYPE: ${line}`);
    const key = JSON.stringify([sample.name, Object.entries(sample.labels)]);
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    series.push(sample);
  }
  return new Exposition(types, series);
}

function sampleOf(line: string): Series {
  const [, name, labelText = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined || Number.isNaN(Number(value)))
    throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let end = 0;
  for (const match of labelText.matchAll(LABEL)) {
    const [pair, label = '', escaped = ''] = match;
    if (label in labels) throw new Error(`a label twice: ${line}`);
    labels[label] = escaped.replaceAll(/\\(.)/g, (_, character) => (character === 'n' ? '\n' : character));
    end = match.index + pair.length;
  }
  if (end !== labelText.length) throw new Error(`not labels: ${line}`);
  return { name, labels, value: Number(value) };
}
