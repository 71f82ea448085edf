import { html, NOTHING, type Html } from './html.js';
import { niceTop, tickTimes, type Range, timeLabel, momentLabel } from './scale.js';

/** A value over a stretch of time; null where nothing was measured. */
export interface ChartPoint {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly average: number | null;
  readonly max: number | null;
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  /** The current value, as text. */
  readonly now: string;
  readonly points: readonly ChartPoint[];
  /** Epoch milliseconds of the right edge. */
  readonly to: number;
  readonly range: Range;
  readonly format: (value: number) => string;
  /** The base of the units: 1,024 for bytes. */
  readonly base?: 1000 | 1024;
  /** A line across: what the value must not exceed. */
  readonly limit?: { readonly value: number; readonly text: string } | undefined;
  /** A few words below the chart. */
  readonly note: string;
}

const POINTS = 60;
const HEIGHT = 100;
const WIDTH = 600;
/** A limit is drawn if the values come this close to it. */
const NEAR = 0.4;

interface Plot {
  readonly points: readonly ChartPoint[];
  readonly top: number;
  readonly x: (at: number) => number;
  readonly y: (value: number) => number;
}

/** Returns a line chart with both axes, its values in tooltips, and the range between them in words. */
export function lineChart(chart: Chart): Html {
  const plot = plotOf(chart);
  const isEmpty = plot.points.every(({ average }) => average === null);
  return html`<figure class="chart">
    <figcaption><span>${chart.title}</span> <b>${chart.now}</b></figcaption>
    <div class="frame">
      <div class="scale" aria-hidden="true">
        ${(isEmpty ? [] : [plot.top, plot.top / 2, 0]).map((value) => html`<span>${roundLabel(chart.format(value))}</span>`)}
      </div>
      <svg class="plot" role="img" aria-label="${spoken(chart, plot)}">
        <path class="grid" d="M0 .5h9999M0 50.5h9999M0 99.5h9999" />
        <svg width="100%" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">
          <path class="area" d="${areaPath(plot)}" />
          <path class="line" d="${linePath(plot)}" /></svg
        >${limitLine(chart, plot)}${hits(chart, plot)}${isEmpty ? html`<text x="50%" y="54" text-anchor="middle">Nothing was measured in this time.</text>` : NOTHING}${tickTexts(chart, plot)}
      </svg>
    </div>
    <p class="note">${chart.note}</p>
  </figure>`;
}

/** Returns the points of a chart, so many that each is wide enough to be pointed at. Pure. */
export function condensed(
  points: readonly ChartPoint[],
  { to, range }: Pick<Chart, 'to' | 'range'>,
): ChartPoint[] {
  const [first, second] = points;
  const stepMs = first && second ? second.at - first.at : 0;
  const count = stepMs > 0 ? Math.min(POINTS, Math.round((range.hours * 3_600_000) / stepMs)) : POINTS;
  const width = (range.hours * 3_600_000) / count;
  const from = to - range.hours * 3_600_000;
  const buckets = Array.from({ length: count }, (): ChartPoint[] => []);
  for (const point of points) buckets[Math.floor((point.at - from) / width)]?.push(point);
  return buckets.map((inside, index) => {
    const averages = inside.flatMap(({ average }) => average ?? []);
    const highest = inside.flatMap(({ average, max }) => max ?? average ?? []);
    return {
      at: from + (index + 0.5) * width,
      average:
        averages.length === 0 ? null : averages.reduce((sum, value) => sum + value, 0) / averages.length,
      max: highest.length === 0 ? null : Math.max(...highest),
    };
  });
}

/** Returns a label of an axis without the zeros that a value has behind its point: `20 ms` for `20.0 ms`. */
function roundLabel(text: string): string {
  return text.replace(/(\.\d*?)0+(?= |$)/, '$1').replace(/\.(?= |$)/, '');
}

function plotOf(chart: Chart): Plot {
  const points = condensed(chart.points, chart);
  const highest = Math.max(0, ...points.flatMap(({ max }) => max ?? []));
  const { limit } = chart;
  const shown = limit && highest >= limit.value * NEAR ? Math.max(highest, limit.value) : highest;
  const top = niceTop(shown, chart.base ?? 1000);
  const from = chart.to - chart.range.hours * 3_600_000;
  return {
    points,
    top,
    x: (at) => (at - from) / (chart.to - from),
    y: (value) => HEIGHT - 1 - (value / top) * (HEIGHT - 2),
  };
}

/** Returns the stretches between gaps, each as coordinates. */
function stretches(
  { points, x, y }: Plot,
  valueOf: (point: ChartPoint) => number | null,
): [string, string][][] {
  const all: [string, string][][] = [[]];
  for (const point of points) {
    const value = valueOf(point);
    if (value === null) all.push([]);
    else all.at(-1)?.push([(x(point.at) * WIDTH).toFixed(0), y(value).toFixed(1)]);
  }
  return all.filter((stretch) => stretch.length > 0);
}

function linePath(plot: Plot): string {
  return stretches(plot, ({ average }) => average)
    .map((stretch) => {
      const path = stretch.map(([x, y]) => `${x} ${y}`).join('L');
      // One point alone is drawn as a dot, by the round cap of a line without length.
      return stretch.length === 1 ? `M${path}h.1` : `M${path}`;
    })
    .join('');
}

function areaPath(plot: Plot): string {
  return stretches(plot, ({ max }) => max)
    .filter((stretch) => stretch.length > 1)
    .map((stretch) => {
      const [first = '0'] = stretch[0] ?? [];
      const [last = '0'] = stretch.at(-1) ?? [];
      return `M${first} ${HEIGHT}L${stretch.map(([x, y]) => `${x} ${y}`).join('L')}L${last} ${HEIGHT}Z`;
    })
    .join('');
}

function limitLine({ limit }: Chart, { top, y }: Plot): Html {
  if (!limit || limit.value > top) return NOTHING;
  const at = y(limit.value).toFixed(1);
  return html`<line class="limit" x2="100%" y1="${at}" y2="${at}" />`;
}

/** A stretch of the chart to point at: its tooltip has time and values. */
function hits({ format, range }: Chart, { points, x }: Plot): Html {
  const width = 100 / points.length;
  return html`<g class="hits"
    >${points.map(({ at, average, max }) =>
      average === null || max === null
        ? NOTHING
        : html`<rect
            x="${(x(at) * 100 - width / 2).toFixed(1)}%"
            width="${(width + 0.1).toFixed(1)}%"
            height="${HEIGHT}"
            ><title>
              ${momentLabel(at, range)}:
              ${format(average)}${format(max) === format(average) ? '' : `, at most ${format(max)}`}
            </title></rect
          >`,
    )}</g
  >`;
}

function tickTexts({ to, range }: Chart, { x }: Plot): Html {
  return html`<g class="ticks" aria-hidden="true"
    >${tickTimes(to, range).map((at) => {
      const place = x(at) * 100;
      const anchor = place < 6 ? 'start' : place > 94 ? 'end' : 'middle';
      return html`<line x1="${place.toFixed(1)}%" x2="${place.toFixed(1)}%" y1="100" y2="104" /><text
          x="${place.toFixed(1)}%"
          y="116"
          text-anchor="${anchor}"
          >${timeLabel(at, range)}</text
        >`;
    })}</g
  >`;
}

/** Returns the chart in words, for those who do not see it. */
function spoken({ title, now, format, range }: Chart, { points }: Plot): string {
  const averages = points.flatMap(({ average }) => average ?? []);
  if (averages.length === 0) return `${title}, ${range.text}: nothing was measured`;
  const lowest = format(Math.min(...averages));
  const highest = format(Math.max(...points.flatMap(({ max }) => max ?? [])));
  return `${title}, ${range.text}: from ${lowest} to ${highest}, now ${now}`;
}
