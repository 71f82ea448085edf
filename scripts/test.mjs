// `npm test`: the set-up, then Jest. Arguments are Jest's: `npm test -- test/lint.spec.ts`.
import { jest } from './lib/jest.mjs';
import { setUpOrExit } from './lib/set-up.mjs';
import { fetchStockAge } from './lib/stock-age.mjs';
import { fetchPgbouncer } from './lib/stock-pgbouncer.mjs';

await setUpOrExit();
// Without them, the tests that need them fail and report it.
await fetchStockAge().catch((error) => console.error(`Cannot fetch age: ${error.message}`));
await fetchPgbouncer().catch((error) => console.error(`Cannot fetch PgBouncer: ${error.message}`));
process.exitCode = await jest(process.argv.slice(2), {}, { recordTimes: true });
