#!/usr/bin/env node
import { enableCompileCache, flushCompileCache } from './core/compile-cache.js';
import { leaveOnEarlySignals } from './core/process/early-signals.js';

leaveOnEarlySignals();
enableCompileCache();
// Loaded only now: static imports would all be evaluated first.
const [{ runProgram }, { processTerminal }] = await Promise.all([
  import('./cli/program.js'),
  import('./cli/terminal.js'),
]);
process.exitCode = await runProgram(process.argv.slice(2), processTerminal, async (environmentName) => {
  const { start } = await import('./service/start.js');
  await start(environmentName);
  flushCompileCache();
});
