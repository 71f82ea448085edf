// `npm run test:newer-node`: the suites about the process (start, command line, library, guard) on a newer Node.js than
// the one that runs the other tests. Arguments are Jest's and replace the suites.
import path from 'node:path';
import { jest } from './lib/jest.mjs';
import { fetchNewerNode } from './lib/newer-node.mjs';
import { setUpOrExit } from './lib/set-up.mjs';

const SUITES = ['test/service', 'test/cli/', 'test/library', 'test/guard', 'test/faults/shutdown.spec.ts'];

await setUpOrExit();
const program = await fetchNewerNode();
const suites = process.argv.slice(2);
const env = { PATH: `${path.dirname(program)}${path.delimiter}${process.env['PATH']}` };
process.exitCode = await jest(suites.length > 0 ? suites : SUITES, env, { program });
