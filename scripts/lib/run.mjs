import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { root } from './project.mjs';

/** A child process that could not be started, or ended with anything but exit code 0. */
export class RunError extends Error {
  /**
   * @param {string} command
   * @param {string} outcome how it ended
   * @param {string} output its stdout and stderr, interleaved
   */
  constructor(command, outcome, output) {
    super(`\`${command}\` ${outcome}`);
    this.name = 'RunError';
    this.output = output;
  }

  /** How it ended, and the beginning and end of its output. */
  get excerpt() {
    const lines = stripVTControlCharacters(this.output).trim().split('\n');
    const shown = lines.length <= 30 ? lines : [...lines.slice(0, 12), '…', ...lines.slice(-15)];
    return [this.message, ...shown].join('\n').trimEnd();
  }
}

/** A signal stopped the set-up. */
export class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`interrupted by ${signal}`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

/** Not SIGHUP: adding and removing a listener for it would undo `nohup`. */
const stopSignals = ['SIGINT', 'SIGTERM'];

/**
 * Forwards the signals that end a process to a child while it runs.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {(signal: NodeJS.Signals) => void} [onSignal]
 */
export function forwardSignals(child, onSignal) {
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    onSignal?.(signal);
    child.kill(signal);
  };
  for (const signal of stopSignals) process.on(signal, forward);
  child.once('close', () => {
    for (const signal of stopSignals) process.off(signal, forward);
  });
}

/**
 * Runs a program without a shell, waits for its end and returns its stdout. Its output is shown only if it fails.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, onStart?: (pid: number) => void}} [options]
 * @returns {Promise<string>}
 */
export function run(program, args, { cwd = root, env = process.env, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid !== undefined) onStart?.(child.pid);

    let interruptedBy;
    forwardSignals(child, (signal) => {
      interruptedBy = signal;
    });

    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });

    const command = [program, ...args].join(' ');
    child.once('error', (error) =>
      reject(new RunError(command, `could not be run: ${error.message}`, output)),
    );
    child.once('close', (code, signal) => {
      if (interruptedBy !== undefined) reject(new Interrupted(interruptedBy));
      else if (code === 0) resolve(stdout);
      else {
        const outcome = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        reject(new RunError(command, outcome, output));
      }
    });
  });
}
