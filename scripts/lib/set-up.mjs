import { constants } from 'node:os';
import { build } from './build.mjs';
import { client } from './client.mjs';
import { dependencies } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { checkNodeVersion } from './node-version.mjs';
import { postgresql } from './postgresql.mjs';
import { Interrupted, run } from './run.mjs';
import { SetUpError, explained } from './set-up-error.mjs';

/**
 * @typedef {typeof run} Run
 * @typedef {object} Step
 * @property {string} title
 * @property {() => boolean} isDone fast: it runs at every start
 * @property {(run: Run) => Promise<void>} perform
 */

const say = (/** @type {string} */ text) => process.stderr.write(text);

/**
 * @param {Step} step
 * @param {Run} runChild
 */
async function perform(step, runChild) {
  const startedAt = performance.now();
  say(`set-up: ${step.title} … `);
  try {
    await step.perform(runChild);
  } catch (error) {
    say('not done\n');
    throw error;
  }
  say(`${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

/**
 * Does the steps that are not done on this machine: dependencies, PostgreSQL, the database client, the build. Quick
 * and silent if there are none.
 *
 * @param {{needsPostgresql?: boolean}} [options] needsPostgresql: the machine must have the server's programs
 */
export async function setUp({ needsPostgresql = true } = {}) {
  checkNodeVersion();
  const steps = [dependencies, ...(needsPostgresql ? [postgresql] : []), client, build];
  if (steps.every((step) => step.isDone())) return;

  await withLock(
    async (recordChild) => {
      const runChild = /** @type {Run} */ (
        (program, args, options) => run(program, args, { ...options, onStart: recordChild })
      );
      for (const step of steps) if (!step.isDone()) await perform(step, runChild);
    },
    (pid) => say(`set-up: waiting for another set-up of this clone (process ${pid})\n`),
  );
}

/**
 * Runs the set-up as a command: a failure is explained on stderr and ends the process.
 *
 * @param {Parameters<typeof setUp>[0]} [options]
 */
export async function setUpOrExit(options) {
  try {
    await setUp(options);
  } catch (thrown) {
    const error = explained(thrown);
    if (error instanceof Interrupted) {
      process.exit(128 + constants.signals[error.signal]);
    } else if (error instanceof SetUpError) {
      say(`\n${error.toText()}`);
      process.exit(1);
    } else throw error;
  }
}
