import type { PrismaProject } from '../config/prisma-project.js';

/** What is worth knowing of a configuration that an action can do without. Pure. */
export function projectNotes(project: PrismaProject): string[] {
  if (project.kind !== 'invalid') return [];
  return [`${project.why}: external tables are those of the last recorded structure`];
}
