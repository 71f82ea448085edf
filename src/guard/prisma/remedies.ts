/** How a change reaches production. */
const DEPLOY = '`pgkeep migrate deploy`';

const REMEDIES: Readonly<Record<string, string>> = {
  'migrate dev': `Write the migration on a development database, then apply it here: ${DEPLOY}.`,
  'migrate reset':
    'Production is never reset. To go back to an earlier state restore a backup: `pgkeep restore --list`.',
  'db push': `Write a migration on a development database (\`npx prisma migrate dev\`), then apply it here: ${DEPLOY}.`,
  'db seed': `Seed development and test databases. Rows that production needs come by a migration: ${DEPLOY}.`,
  'db execute': `Put the statements into a migration, which is reviewed, backed up and recorded: ${DEPLOY}.`,
  studio: 'Open Studio on a development database, or on a restored copy that is stamped as what it is for.',
};

/** What to do instead, where a command is refused on production's database. */
export function remedyFor(commandName: string): string {
  return (
    REMEDIES[commandName] ??
    `Run it on a development database; what it makes comes here by a migration: ${DEPLOY}.`
  );
}

/** What to do instead of `db push` on staging. */
export const AS_PRODUCTION_GETS_IT = `Bring the change by a migration, as production gets it: ${DEPLOY}.`;
