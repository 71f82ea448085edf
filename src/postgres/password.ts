import { text } from 'node:stream/consumers';
import type { DatabaseUrl } from '../config/database-url.js';
import type { PasswordCommand, PasswordSource } from '../config/password-source.js';
import { errorCode } from '../core/errors.js';
import { startProgram } from '../core/process/program.js';

/** A program that takes longer hangs. */
const COMMAND_TIMEOUT_MS = 30_000;

/** The source of a password returned none. Contains nothing that a program printed. */
export class PasswordUnavailableError extends Error {
  override readonly name = 'PasswordUnavailableError';

  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** Which connection a password is for. */
export interface PasswordUse {
  readonly host: string;
  readonly port: number;
}

interface Kept {
  readonly password: Promise<string>;
  readonly askedAt: number;
  uses: number;
}

const kept = new WeakMap<PasswordSource, Map<string, Kept>>();

/**
 * Returns the password for a new connection: the URL's, or else that of its source. The password of a command is cached
 * until it is too old or was refused; concurrent connections share one run of the command.
 * @throws PasswordUnavailableError
 */
export async function passwordOf(url: DatabaseUrl, use: PasswordUse): Promise<string | undefined> {
  const { passwordSource: source, password } = url;
  if (password !== undefined || !source) return password;
  if (source.kind === 'callback') return await callback(source.read);
  const passwords = kept.get(source) ?? new Map<string, Kept>();
  kept.set(source, passwords);
  const key = keyOf(url, use);
  const found = passwords.get(key);
  if (found && performance.now() - found.askedAt < source.maxAgeMs) {
    found.uses += 1;
    return await found.password;
  }
  const asked = { password: printed(source, url, use), askedAt: performance.now(), uses: 1 };
  passwords.set(key, asked);
  // A failure is not cached; every waiting connection gets it.
  asked.password.catch(() => passwords.delete(key));
  return await asked.password;
}

/**
 * Forgets a password that the server refused.
 * @returns whether an earlier connection used it: then a new one may differ.
 */
export function forgetPassword(url: DatabaseUrl, use: PasswordUse): boolean {
  const passwords = url.passwordSource && kept.get(url.passwordSource);
  const found = passwords?.get(keyOf(url, use));
  passwords?.delete(keyOf(url, use));
  return (found?.uses ?? 0) > 1;
}

function keyOf({ user = '', database }: DatabaseUrl, { host, port }: PasswordUse): string {
  return JSON.stringify([host, port, user, database]);
}

async function callback(read: () => Promise<string>): Promise<string> {
  const hint = 'Check the password function that was passed to pgkeep.';
  let password: unknown;
  try {
    password = await read();
  } catch (error) {
    // Its text may quote a token; its name does not.
    const name = error instanceof Error ? error.name : typeof error;
    throw new PasswordUnavailableError(`the password function failed (${name})`, hint);
  }
  if (typeof password === 'string' && password !== '') return password;
  throw new PasswordUnavailableError('the password function returned no text', hint);
}

async function printed(
  { argv, environment }: PasswordCommand,
  { user, database }: DatabaseUrl,
  { host, port }: PasswordUse,
): Promise<string> {
  const [program = '', ...argumentsOf] = argv;
  const env = {
    ...environment(),
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    ...(user !== undefined && { PGUSER: user }),
  };
  const failed = (what: string): PasswordUnavailableError =>
    new PasswordUnavailableError(
      `DATABASE_PASSWORD_COMMAND ${what}`,
      'Run the command by hand as this user: it must print the password and nothing else. Its output is not shown here.',
    );
  const timeout = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
  const running = await startProgram(program, argumentsOf, { env, signal: timeout }).catch(
    (error: unknown) => {
      throw failed(`cannot be started: ${errorCode(error) ?? 'unknown error'}`);
    },
  );
  running.stdin.end();
  const [output, { exitCode, signal }] = await Promise.all([text(running.stdout), running.ended]);
  if (timeout.aborted) throw failed(`did not end within ${COMMAND_TIMEOUT_MS / 1000} s`);
  if (exitCode === null) throw failed(`was ended by ${signal ?? 'a signal'}`);
  if (exitCode !== 0) throw failed(`ended with exit code ${exitCode}`);
  const password = output.replace(/\r?\n$/, '');
  if (password === '') throw failed('printed nothing');
  if (/[\r\n]/.test(password)) throw failed('printed more than one line');
  return password;
}
