import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How far the buffers of this process grew beyond what it began with, in bytes, while `work` ran. */
export async function peakBuffers(work: () => Promise<unknown>): Promise<number> {
  collectGarbage();
  const before = buffers();
  let peak = before;
  const timer = setInterval(() => {
    // What is only waiting to be collected is no use of memory: collected first, so that two runs compare.
    collectGarbage();
    peak = Math.max(peak, buffers());
  }, 200);
  try {
    await work();
  } finally {
    clearInterval(timer);
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
