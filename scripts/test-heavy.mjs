// `npm run test:heavy`: the tests that take minutes each, one after another. Arguments are Jest's.
import { jest } from './lib/jest.mjs';
import { fetchNewerClient } from './lib/newer-client.mjs';
import { setUpOrExit } from './lib/set-up.mjs';
import { fetchStockAge } from './lib/stock-age.mjs';
import { fetchStockChromium } from './lib/stock-chromium.mjs';
import { fetchStockPrometheus } from './lib/stock-prometheus.mjs';

await setUpOrExit();
// Without them, the tests that need them fail and report it.
await fetchStockAge().catch((error) => console.error(`Cannot fetch age: ${error.message}`));
await fetchNewerClient().catch((error) => console.error(`Cannot fetch PostgreSQL 17: ${error.message}`));
await fetchStockPrometheus().catch((error) => console.error(`Cannot fetch Prometheus: ${error.message}`));
await fetchStockChromium().catch((error) => console.error(`Cannot install Chromium: ${error.message}`));
process.exitCode = await jest(['--config=jest.heavy.config.js', ...process.argv.slice(2)]);
