import { cleanUpAfterExit } from './cleanup-command.mjs';
import { childrenOf } from './proc.mjs';

/**
 * Runs something while PostgreSQL is stopped (SIGSTOP: postmaster and backends), which looks like a hanging machine to
 * its clients: the kernel accepts connections, and nothing is answered.
 *
 * @template T
 * @param {import('./scene.mjs').Scene} scene
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function whileFrozen(scene, work) {
  const { postmasterPid } = scene.cluster;
  process.kill(postmasterPid, 'SIGSTOP');
  // From now on it starts no new processes.
  const pids = [postmasterPid, ...childrenOf(postmasterPid)];
  for (const pid of pids.slice(1)) process.kill(pid, 'SIGSTOP');
  // A stopped server cannot be ended, even if this process is killed meanwhile.
  const revoke = cleanUpAfterExit('kill', ['-CONT', ...pids]);
  let isFrozen = true;
  const thaw = () => {
    if (isFrozen) for (const pid of pids) process.kill(pid, 'SIGCONT');
    isFrozen = false;
    revoke();
  };
  scene.atEnd(thaw);
  try {
    return await work();
  } finally {
    thaw();
  }
}
