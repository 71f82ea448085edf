// Loaded into a process that is measured (NODE_OPTIONS=--import …): writes every half second how late its event
// loop has been since SIGUSR2, to the file that BENCH_EVENT_LOOP_FILE names. The process of a job writes nothing.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const isJob = process.argv.some((word) => word.endsWith('job-process.js'));
const file = isJob ? undefined : process.env.BENCH_EVENT_LOOP_FILE;
const histogram = monitorEventLoopDelay({ resolution: 5 });
histogram.enable();
process.on('SIGUSR2', () => histogram.reset());
const milliseconds = (/** @type {number} */ nanoseconds) => nanoseconds / 1e6;
setInterval(() => {
  const delay = { p99: milliseconds(histogram.percentile(99)), max: milliseconds(histogram.max) };
  if (file) writeFileSync(file, JSON.stringify(delay));
}, 500).unref();
