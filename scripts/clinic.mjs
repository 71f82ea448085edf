// `npm run clinic`: compiles the example application and runs it on the database of `npm start`, or on DATABASE_URL.
import { join } from 'node:path';
import { root } from './lib/project.mjs';
import { run, RunError } from './lib/run.mjs';
import { setUpOrExit } from './lib/set-up.mjs';

await setUpOrExit({ needsPostgresql: false });
const { readEmbeddedLocation, STATE_DIRECTORY } = await import('../dist/cluster/embedded-location.js');

const url = process.env.DATABASE_URL ?? readEmbeddedLocation(STATE_DIRECTORY)?.url;
if (url === undefined) {
  console.error('There is no database. Run `npm start` in another terminal, or set DATABASE_URL.');
  process.exit(1);
}
process.env.DATABASE_URL = url;
try {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [compiler, '--project', join(root, 'examples/clinic')]);
} catch (error) {
  if (!(error instanceof RunError)) throw error;
  console.error(`Cannot compile examples/clinic: ${error.excerpt}`);
  process.exit(1);
}
await import(join(root, '.pgkeep/clinic-app/app/main.js'));
