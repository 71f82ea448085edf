import { cpus, release, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';
import { cpuSecondsWithChildren } from './proc.mjs';

/** Fields of /proc/stat's first line that are not idleness: user, nice, system, irq, softirq, steal. */
const BUSY = [0, 1, 2, 5, 6, 7];

/** The machine on which the numbers are measured. */
export function machine() {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return [
    `${processors.length} x ${processors[0]?.model ?? 'unknown processor'}, ${memory}`,
    `${type()} ${release()}, Node.js ${process.version}`,
  ].join('; ');
}

/** How much of the CPU time other processes used since this was created: if it is much, the numbers mean little. */
export class Neighbours {
  #before = usage();

  /** Call this after the children of this process have ended: only then is their CPU time known. */
  describe() {
    const now = usage();
    const total = now.total - this.#before.total;
    const others = now.busy - this.#before.busy - (now.own - this.#before.own);
    return `other processes had ${Math.max(0, Math.round((others / total) * 100))} % of the CPU time`;
  }
}

function usage() {
  const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
  // The last two are included in the first as well.
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return {
    total: fields.reduce((sum, ticks) => sum + ticks, 0) / 100,
    busy: BUSY.reduce((sum, index) => sum + fields[index], 0) / 100,
    own: cpuSecondsWithChildren(process.pid),
  };
}
