// `npm run test:s3`: the storage's conformance and failure tests against a real S3 server. Without TEST_S3_ENDPOINT
// that is OpenStack Swift from Debian's packages, installed if it is missing (as root), and started on loopback
// for the run. With it, any other server: `TEST_S3_ENDPOINT=https://… AWS_ACCESS_KEY_ID=… npm run test:s3`;
// the tests create their own bucket there, and remove it. Arguments are Jest's.
import { constants } from 'node:os';
import { jest } from './lib/jest.mjs';
import { Interrupted } from './lib/run.mjs';
import { SetUpError } from './lib/set-up-error.mjs';
import { setUpOrExit } from './lib/set-up.mjs';
import { installSwift } from './swift/install.mjs';
import { startSwift } from './swift/start.mjs';

// The failure tests cut connections in the middle of requests, and Node 20 waits forever for those when a process
// ends by itself (it spins in Environment::CleanupHandles, after all JavaScript): end it outright.
const args = ['--config', 'jest.s3.config.js', '--forceExit', ...process.argv.slice(2)];

async function withSwift() {
  await installSwift();
  const swift = await startSwift();
  let exitCode = 1;
  try {
    exitCode = await jest(args, swift.env);
  } finally {
    await swift.stop({ keepLogs: exitCode !== 0 });
  }
  return exitCode;
}

await setUpOrExit();
try {
  process.exitCode = process.env.TEST_S3_ENDPOINT ? await jest(args) : await withSwift();
} catch (error) {
  if (error instanceof SetUpError) process.stderr.write(`\n${error.toText()}`);
  else if (!(error instanceof Interrupted)) throw error;
  process.exitCode = error instanceof Interrupted ? 128 + constants.signals[error.signal] : 1;
}
