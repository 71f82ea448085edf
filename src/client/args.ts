/** The arguments of a query, or a part of them: an object whose properties Prisma reads. */
export type Args = Readonly<Record<string, unknown>>;

/**
 * Checks for an object with properties. Prisma reads instances of classes like plain objects, so the guard must, too:
 * what it takes for a value would not be filtered.
 */
export function isArgs(value: unknown): value is Args {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Checks for what Prisma treats as left out: `undefined`, and `Prisma.skip`. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || (isArgs(value) && typeof value['ifUndefined'] === 'function');
}

/** Checks for a condition that restricts something: neither left out nor `{}`. */
export function isCondition(value: unknown): boolean {
  if (isAbsent(value)) return false;
  // A Date has no own properties, and is a condition.
  if (Object.prototype.toString.call(value) !== '[object Object]' || !isArgs(value)) return true;
  return Object.values(value).some((part) => !isAbsent(part));
}

/** Returns the items of what Prisma accepts as one item or as a list of them. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** Changes one item, or each item of a list. */
export function mapItems(value: unknown, change: (item: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map((item) => change(item)) : change(value);
}

/** Returns a copy with another value of one property, or without the property if the value is undefined. */
export function withProperty(args: Args, name: string, value: unknown): Args {
  if (value !== undefined) return { ...args, [name]: value };
  return Object.fromEntries(Object.entries(args).filter(([key]) => key !== name));
}
