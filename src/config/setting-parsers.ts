import path from 'node:path';
import type { ReadContext } from './setting.js';

/** Switches a schedule off: something else runs the job, such as a Kubernetes CronJob. */
export const NO_SCHEDULE = 'off';

export function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true';
}

export function parseList(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

export function parseSchedule(text: string): string | undefined {
  return text.toLowerCase() === NO_SCHEDULE ? undefined : text;
}

export function parsePath(text: string, { workingDirectory }: ReadContext): string {
  return path.resolve(workingDirectory, text);
}

export function parseDate(text: string): Date {
  return new Date(text);
}

/** Returns seconds in milliseconds. */
export function parseSeconds(text: string): number {
  return Number(text) * 1000;
}

/** Returns minutes in milliseconds. */
export function parseMinutes(text: string): number {
  return Number(text) * 60_000;
}

/** Returns megabytes in bytes. */
export function parseMegabytes(text: string): number {
  return Number(text) * 1_048_576;
}

/** Returns a parser of one of several words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new Error(`it is none of ${words.join(', ')}`);
    return found;
  };
}
