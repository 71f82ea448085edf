/** What `npm start` prints once the embedded database is served: the few things worth trying first. */
export function welcome(url: string, migrationsDirectory: string, stateDirectory: string): string {
  const base = url.replace(/\/\/(0\.0\.0\.0|\[::\]|\[::1\]|127\.0\.0\.1)/, '//localhost');
  const migration = `${migrationsDirectory}/29991231000000_not_yet_applied`;
  return `
pgkeep guards a PostgreSQL of its own (in ${stateDirectory}/) with a sample clinic in it. Try, in another terminal:

  Is the database safe to serve from?
    curl ${base}/ready
    npm run db:ready

  What is in it?
    curl -H "Authorization: Bearer $(cat ${stateDirectory}/admin-token)" ${base}/admin/database/stats
    npm run db:stats

  Is there a backup, and does it restore? (The first was made and tested just now.)
    npm run db:backup:list
    npm run db:restore:test

  Make it worse: /ready says 503 within five seconds. Make it better: 200 again.
    mkdir ${migration} && echo 'SELECT 1;' > ${migration}/migration.sql
    rm -r ${migration}

Ctrl-C stops the service and its PostgreSQL. Your own database: DATABASE_URL=postgresql://… MIGRATIONS_DIR=… npm start
`;
}
