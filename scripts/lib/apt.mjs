import { RunError } from './run.mjs';

/**
 * Fetches the package lists, then does the work that needs them. A mirror that does not answer only matters if the
 * work fails afterwards: it is reported as the cause.
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
