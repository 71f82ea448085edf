import { counted, formatMinute, formatTime } from '../core/text.js';
import { html, type Html } from './html.js';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
/** What happened within this time happens now: pages are made for full quarters of a minute. */
const NOW_MS = 20_000;

/** Returns a duration as people say it: `28 minutes`, `3 months`. */
export function durationText(ms: number): string {
  const seconds = Math.abs(ms) / 1000;
  if (seconds < 1.5 * MINUTE) return counted(Math.round(seconds), 'second');
  if (seconds < 1.5 * HOUR) return counted(Math.round(seconds / MINUTE), 'minute');
  if (seconds < 1.5 * DAY) return counted(Math.round(seconds / HOUR), 'hour');
  if (seconds < 75 * DAY) return counted(Math.round(seconds / DAY), 'day');
  if (seconds < 700 * DAY) return counted(Math.round(seconds / DAY / 30.4), 'month');
  return counted(Math.round(seconds / DAY / 365), 'year');
}

/** Returns how long ago, or in how long: the exact time is in the tooltip, and the script keeps the text current. */
export function relativeTime(iso: string, now: Date): Html {
  const ms = now.getTime() - Date.parse(iso);
  const text =
    Math.abs(ms) < NOW_MS ? 'just now' : ms > 0 ? `${durationText(ms)} ago` : `in ${durationText(ms)}`;
  return html`<time datetime="${iso}" title="${formatTime(iso)} UTC" data-relative>${text}</time>`;
}

/** Returns a time as date and minute, in UTC. */
export function exactTime(iso: string): Html {
  return html`<time datetime="${iso}">${formatMinute(iso)}</time>`;
}

/** Returns a time of day, in UTC. */
export function clockTime(iso: string): string {
  return formatTime(iso).slice(11);
}

/** Returns milliseconds with a unit that suits them: `0.33 ms`, `21.9 s`. */
export function millisecondsText(ms: number): string {
  if (ms >= 90_000) return durationText(ms);
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms === 0 ? 0 : ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}
