/** A deed as a noun for people: `deploy`, `rollback`, `acceptance`. */
export function deedText(deed: string): string {
  return deed === 'accept' ? 'acceptance' : deed;
}
