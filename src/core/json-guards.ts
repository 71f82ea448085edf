/** Checks whether a value of a JSON document is a T. */
export type Guard<T> = (value: unknown) => value is T;

/** Checks for a string. */
export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Checks for an integer that is exact and not negative: a count, a size. */
export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Checks for one of the accepted values. */
export function isOneOf<const T>(accepted: readonly T[]): Guard<T> {
  return (value): value is T => accepted.some((candidate) => candidate === value);
}

/** Accepts null, too. */
export function isNullOr<T>(guard: Guard<T>): Guard<T | null> {
  return (value): value is T | null => value === null || guard(value);
}

/** Accepts a missing field, which earlier versions did not write. */
export function isAbsentOr<T>(guard: Guard<T>): Guard<T | undefined> {
  return (value): value is T | undefined => value === undefined || guard(value);
}

/** Checks every item of a list. */
export function isListOf<T>(guard: Guard<T>): Guard<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.every((item) => guard(item));
}

/** Checks for an object that has at least these fields. */
export function isRecord<T extends object>(fields: { [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const guards: [string, Guard<unknown>][] = Object.entries(fields);
  return (value): value is T =>
    typeof value === 'object' &&
    value !== null &&
    guards.every(([name, guard]) => guard(Reflect.get(value, name)));
}
