// Prepares a fresh clone: dependencies, PostgreSQL, the database client, the build.
import { setUpOrExit } from './lib/set-up.mjs';

await setUpOrExit();
