import { Injectable } from '@nestjs/common';
import { Clock } from '../core/clock.js';
import { HistoryService } from '../monitoring/history/history.service.js';
import type { Series } from '../monitoring/history/series.js';
import { KeptFact } from '../overview/kept-fact.js';
import { withDeadline } from '../postgres/deadline.js';
import { CHARTED } from './activity.js';
import type { ChartPoint } from './chart.js';
import { DEFAULT_RANGE, type Range, YOUNG_RANGE } from './scale.js';

const PERIOD_MS = 15_000;
const YOUNG_HOURS = 2;
/** The first view of a range waits this long for its history. */
const FIRST_MS = 1000;

/** Keeps the history of each range that is looked at: a page never waits for a database that does not answer. */
@Injectable()
export class ChartHistory {
  private readonly ranges = new Map<string, KeptFact<Series>>();

  constructor(
    private readonly history: HistoryService,
    private readonly clock: Clock,
  ) {}

  /** Returns the range to show where none was chosen: an hour, until the history is older than two. */
  async suitableRange(): Promise<Range> {
    const known = (await this.points(DEFAULT_RANGE))['connections'] ?? [];
    const old = known.slice(0, -Math.ceil((YOUNG_HOURS / DEFAULT_RANGE.hours) * known.length));
    return old.some(({ average }) => average !== null) ? DEFAULT_RANGE : YOUNG_RANGE;
  }

  /** Returns the points of each vital with a chart, from memory. */
  async points({ name, hours }: Range): Promise<Readonly<Record<string, readonly ChartPoint[]>>> {
    const kept = this.ranges.get(name) ?? this.keep(name, hours);
    const refreshing = kept.refresh();
    if (kept.latest.value === null) await withDeadline(refreshing, FIRST_MS).catch(() => undefined);
    const { value } = kept.latest;
    return value === null ? {} : chartPoints(value);
  }

  private keep(name: string, hours: number): KeptFact<Series> {
    const request = { vitals: CHARTED, hours };
    const kept = new KeptFact(async () => await this.history.series(request), this.clock, PERIOD_MS);
    this.ranges.set(name, kept);
    return kept;
  }
}

function chartPoints({ points }: Series): Readonly<Record<string, readonly ChartPoint[]>> {
  return Object.fromEntries(
    CHARTED.map((vital) => [
      vital,
      points.map(({ at, values }) => ({
        at: Date.parse(at),
        average: values[vital]?.average ?? null,
        max: values[vital]?.max ?? null,
      })),
    ]),
  );
}
