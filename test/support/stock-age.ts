import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../../src/core/process/run.js';

/** Where `npm test` unpacks it for an ordinary user. */
const UNPACKED = path.resolve('.pgkeep/age/usr/bin');

function program(name: 'age' | 'age-keygen'): string {
  const directories = [...(process.env['PATH'] ?? '').split(path.delimiter), UNPACKED];
  const found = directories.map((directory) => path.join(directory, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new Error(`no ${name} on this machine: install age (\`npm test\` does so where apt-get is)`);
}

/** Runs Debian's `age`. @throws Error if it fails. */
export async function stockAge(...argv: string[]): Promise<void> {
  const { exitCode, stderrTail } = await run(program('age'), argv, { env: {} });
  if (exitCode !== 0) throw new Error(`age ended with exit code ${exitCode}: ${stderrTail}`);
}

/** A new key pair, in a file of `age-keygen`. */
export async function stockKey(file: string): Promise<{ file: string; identity: string; recipient: string }> {
  const { exitCode, stderrTail } = await run(program('age-keygen'), ['-o', file], { env: {} });
  const text = readFileSync(file, 'utf8');
  const recipient = /age1\w+/.exec(text)?.[0];
  const identity = /AGE-SECRET-KEY-1\w+/.exec(text)?.[0];
  if (exitCode === 0 && recipient && identity) return { file, identity, recipient };
  throw new Error(`age-keygen ended with exit code ${exitCode}: ${stderrTail}`);
}
