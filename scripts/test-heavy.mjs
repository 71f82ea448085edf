// `npm run test:heavy`: the tests that take minutes each, one after another. Arguments are Jest's.
import { jest } from './lib/jest.mjs';
import { setUpOrExit } from './lib/set-up.mjs';
import { fetchStockAge } from './lib/stock-age.mjs';

await setUpOrExit();
await fetchStockAge().catch((error) => console.error(`Cannot fetch age: ${error.message}`));
process.exitCode = await jest(['--config=jest.heavy.config.js', ...process.argv.slice(2)]);
