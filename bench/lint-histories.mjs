/**
 * Prints what the lint finds in real histories: node bench/lint-histories.mjs DIRECTORY [--sample N] [--seed N] [--cli
 * FILE]
 *
 * DIRECTORY holds one directory for each history, with `prisma/migrations` in it. Every history is linted as on a fresh
 * checkout: no database, no baseline. Prints the number of findings by rule, and a random sample of them for a person
 * to judge. The same seed gives the same sample of the same findings.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    cli: { type: 'string', default: fileURLToPath(new URL('../dist/cli.js', import.meta.url)) },
  },
});
const [directory] = positionals;
if (directory === undefined) throw new Error('Missing argument: the directory of the histories.');

const findings = [];
let files = 0;
let judged = 0;
for (const name of readdirSync(directory).toSorted()) {
  const report = await lint(path.resolve(directory, name));
  if (report.error) {
    console.log(`${name} was not linted: ${report.error.message}`);
    continue;
  }
  files += report.files;
  judged += 1;
  findings.push(...report.findings.map((finding) => Object.assign(finding, { history: name })));
}

const counts = new Map();
for (const { rule, severity } of findings) {
  counts.set(`${rule} ${severity}`, (counts.get(`${rule} ${severity}`) ?? 0) + 1);
}
console.log(`${findings.length} findings in ${files} files of ${judged} histories`);
for (const [kind, count] of [...counts].toSorted(([, left], [, right]) => right - left)) {
  console.log(`${String(count).padStart(6)}  ${kind}`);
}
for (const [number, finding] of pick(findings, Number(values.sample), Number(values.seed)).entries()) {
  const { history, file, line, rule, statement, message } = finding;
  console.log(`\n${number + 1}. ${rule}  ${history}/${file}:${line}\n   ${statement}\n   ${message}`);
}

/** @param {string} history its directory */
async function lint(history) {
  const run = promisify(execFile);
  const argv = [path.resolve(values.cli), 'migrate', 'lint', '--json', '--no-squawk', '--all'];
  const options = { cwd: history, env: { PATH: process.env.PATH }, maxBuffer: 1 << 28 };
  // Exit code 1 means that some findings are errors.
  const { stdout, stderr } = await run(process.execPath, argv, options).catch((error) => error);
  return stdout === '' ? { error: { message: stderr } } : JSON.parse(stdout);
}

/**
 * Chooses at random, by a linear congruential generator, which gives the same on every machine.
 *
 * @param {object[]} from
 * @param {number} count
 * @param {number} seed
 */
function pick(from, count, seed) {
  const rest = [...from];
  const chosen = [];
  let state = seed >>> 0;
  while (chosen.length < count && rest.length > 0) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    chosen.push(...rest.splice(Math.floor((state / 2 ** 32) * rest.length), 1));
  }
  return chosen;
}
