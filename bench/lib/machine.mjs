import { cpus, release, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';
import { cpuSecondsWithChildren } from './proc.mjs';

/** Fields of /proc/stat's first line that are not idleness: user, nice, system, irq, softirq, steal. */
const BUSY = [0, 1, 2, 5, 6, 7];

/** What the numbers are measured on. */
export function machine() {
  const processors = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return [
    `${processors.length} x ${processors[0]?.model ?? 'unknown processor'}, ${memory}`,
    `${type()} ${release()}, Node.js ${process.version}`,
  ].join('; ');
}

/** How much others had of the machine since this was made: much of it, and the numbers are worth little. */
export class Neighbours {
  #before = usage();

  /** To be called when this process' children have ended: only then is their CPU time known. */
  describe() {
    const now = usage();
    const total = now.total - this.#before.total;
    const others = now.busy - this.#before.busy - (now.own - this.#before.own);
    return `other processes had ${Math.max(0, Math.round((others / total) * 100))} % of the CPU time`;
  }
}

function usage() {
  const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
  // The last two are counted among the first as well.
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return {
    total: fields.reduce((sum, ticks) => sum + ticks, 0) / 100,
    busy: BUSY.reduce((sum, index) => sum + fields[index], 0) / 100,
    own: cpuSecondsWithChildren(process.pid),
  };
}
