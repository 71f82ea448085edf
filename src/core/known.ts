/**
 * A value, or why it is not known: a few words for people, or an explanation with a code. The one shape for facts that
 * may be missing; narrow it with `'value' in fact`.
 */
export type Known<T, Reason = string> = { readonly value: T } | { readonly reason: Reason };

/** Returns the value, or undefined where it is not known. */
export function valueOf<T>(fact: Known<T, unknown> | undefined): T | undefined {
  return fact && 'value' in fact ? fact.value : undefined;
}
