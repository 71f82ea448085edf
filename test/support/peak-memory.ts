import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const PAUSE_MS = 200;

/** Returns by how many bytes the buffers of this process grew while `work` ran. */
export async function peakBuffers(work: () => Promise<unknown>): Promise<number> {
  collectGarbage();
  const before = buffers();
  let peak = before;
  let timer: NodeJS.Timeout | undefined;
  const lookAgainIn = (ms: number): void => {
    timer = setTimeout(() => {
      const startedAt = performance.now();
      // Garbage does not count: it is collected first, so that two runs are comparable.
      collectGarbage();
      peak = Math.max(peak, buffers());
      // In a process that ran many tests before, a collection takes long: the work needs time in between.
      lookAgainIn(Math.max(PAUSE_MS, 10 * (performance.now() - startedAt)));
    }, ms);
  };
  lookAgainIn(PAUSE_MS);
  try {
    await work();
  } finally {
    clearTimeout(timer);
  }
  return peak - before;
}

function buffers(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}
