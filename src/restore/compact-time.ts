/** `20261120113000`, UTC. */
export function compactTime(at: Date): string {
  return at.toISOString().replaceAll(/\D/g, '').slice(0, 14);
}
