// `npm test`: the set-up, then Jest. Arguments are Jest's: `npm test -- test/lint.spec.ts`.
import { jest } from './lib/jest.mjs';
import { setUpOrExit } from './lib/set-up.mjs';

await setUpOrExit();
process.exitCode = await jest(process.argv.slice(2));
