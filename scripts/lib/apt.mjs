import { RunError } from './run.mjs';

/**
 * Fetches the package lists, then does the work that needs them. One mirror of many that does not answer stops
 * nobody who can do without it; where the work then fails, the mirror is the cause to tell.
 *
 * @template T
 * @param {import('./set-up.mjs').Run} run
 * @param {readonly string[]} options of apt-get
 * @param {() => Promise<T>} work
 */
export async function withPackageLists(run, options, work) {
  let updateError;
  try {
    await run('apt-get', [...options, '-o', 'APT::Update::Error-Mode=any', '-q', 'update']);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    updateError = error;
  }
  try {
    return await work();
  } catch (error) {
    throw error instanceof RunError && updateError !== undefined ? updateError : error;
  }
}
