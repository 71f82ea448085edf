// `npm start`: the set-up, then the service in the same process, so that signals reach it directly.
import { setUpOrExit } from './lib/set-up.mjs';

const { NODE_ENV, DATABASE_URL, DATABASE_URL_FILE } = process.env;
const hasDatabase = Boolean(DATABASE_URL) || Boolean(DATABASE_URL_FILE);

await setUpOrExit({ needsPostgresql: NODE_ENV !== 'production' && !hasDatabase });
await import('../dist/main.js');
