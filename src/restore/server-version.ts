/** `15` of `15.18`. */
export function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}
