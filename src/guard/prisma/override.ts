/** What the operator types to be let through, once, for this command on this database. */
export function overridePhrase(commandName: string, database: string): string {
  return `I MEAN IT: ${commandName} on ${database}`;
}

/** The door that starts Prisma, whose configuration may then ask once more: one override is one entry. */
export const LAUNCHER = 'pgkeep prisma';
