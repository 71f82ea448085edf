// `npm run test:budget`: fails if a spec, or all of them together, used more CPU time in the last `npm test` than
// allowed.
import {
  BUDGET,
  SPEC_TIMES_FILE,
  machineFactor,
  readSpecTimes,
  summary,
  totalOf,
} from './lib/spec-times.mjs';

const times = readSpecTimes(SPEC_TIMES_FILE);
if (times.length === 0) {
  console.error('No times are recorded. Run `npm test` first: it records them when every spec has run.');
  process.exit(1);
}
const factor = machineFactor();
const exceeded = [
  ...times
    .filter(({ cpuSeconds }) => cpuSeconds / factor > BUDGET.spec)
    .map(
      ({ spec, cpuSeconds }) => `${spec}: ${(cpuSeconds / factor).toFixed(0)} s, allowed ${BUDGET.spec} s`,
    ),
  ...(totalOf(times) / factor > BUDGET.total
    ? [`all specs: ${(totalOf(times) / factor).toFixed(0)} s, allowed ${BUDGET.total} s`]
    : []),
];
console.log(summary(times));
console.log(`This machine needs ${factor.toFixed(2)} times the CPU time of the reference machine.`);
if (exceeded.length > 0) {
  console.error(`Over the budget, in CPU seconds of the reference machine:\n  ${exceeded.join('\n  ')}`);
  console.error('Make them cheaper, or move what takes minutes to test/heavy (see CONTRIBUTING.md).');
  process.exit(1);
}
console.log(`Within the budget: ${BUDGET.spec} s a spec, ${BUDGET.total} s in all.`);
