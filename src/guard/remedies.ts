const DEVELOP =
  'Run it on a development database; what it makes comes here by a migration: `npx prisma migrate deploy`.';

const REMEDIES: Readonly<Record<string, string>> = {
  'migrate dev':
    'Write the migration on a development database, then apply it here: `npx prisma migrate deploy`.',
  'migrate reset':
    'Production is never reset. To go back to an earlier state restore a backup: `pgkeep restore --list`.',
  'db push':
    'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `npx prisma migrate deploy`.',
  'db seed':
    'Seed development and test databases. Rows that production needs come by a migration: `npx prisma migrate deploy`.',
  'db execute':
    'Put the statements into a migration, which is reviewed, backed up and recorded: `npx prisma migrate deploy`.',
  studio: 'Open Studio on a development database, or on a restored copy that is stamped as what it is for.',
};

/** What to do on a development database, or instead, where a command is refused on production's. */
export function remedyFor(commandName: string): string {
  return REMEDIES[commandName] ?? DEVELOP;
}
