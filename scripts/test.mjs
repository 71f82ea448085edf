// `npm test`: the set-up, then Jest. Arguments are Jest's: `npm test -- test/lint.spec.ts`.
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './lib/project.mjs';
import { forwardSignals } from './lib/run.mjs';
import { setUpOrExit } from './lib/set-up.mjs';
import { fetchStockAge } from './lib/stock-age.mjs';

await setUpOrExit();
// Without it the tests that need it fail by themselves, and say so.
await fetchStockAge().catch((error) => console.error(`Cannot fetch age: ${error.message}`));

// Everything that the tests write is in one directory: gone after success, kept for a look after a failure.
const directory = mkdtempSync(join(tmpdir(), 'pgkeep-run-'));
// PostgreSQL's unprivileged user must be able to pass through, where the tests run as root.
chmodSync(directory, 0o711);

const jest = ['node_modules/jest/bin/jest.js', ...process.argv.slice(2)];
const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules'];
const env = { ...process.env, TMPDIR: directory };
const child = spawn(process.execPath, [...flags, ...jest], { cwd: root, env, stdio: 'inherit' });
forwardSignals(child);
child.once('close', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
  if (process.exitCode === 0) rmSync(directory, { recursive: true, force: true });
  else console.error(`What the tests wrote is kept in ${directory}`);
});
