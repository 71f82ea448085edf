/** What the operator types to be let through, once, for this command on this database. */
export function overridePhrase(commandName: string, database: string): string {
  return `I MEAN IT: ${commandName} on ${database}`;
}
