// `npm test`: the set-up, then Jest. Arguments are Jest's: `npm test -- test/lint.spec.ts`.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './lib/project.mjs';
import { forwardSignals } from './lib/run.mjs';
import { setUpOrExit } from './lib/set-up.mjs';

await setUpOrExit();

const jest = ['node_modules/jest/bin/jest.js', ...process.argv.slice(2)];
const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules'];
const child = spawn(process.execPath, [...flags, ...jest], { cwd: root, stdio: 'inherit' });
forwardSignals(child);
child.once('close', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
