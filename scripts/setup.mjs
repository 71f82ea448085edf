// Makes a fresh clone ready: dependencies, PostgreSQL, the database client, the build.
import { setUpOrExit } from './lib/set-up.mjs';

await setUpOrExit();
