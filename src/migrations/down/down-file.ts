/** The script that takes a migration back, beside its `migration.sql`. Prisma does not look at it. */
export const DOWN_FILE = 'down.sql';
