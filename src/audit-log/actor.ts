import { hostname, userInfo } from 'node:os';

/** Who types a command, as the operating system knows it: `user@host`. */
export function operator(): string {
  return `${userName()}@${hostname()}`;
}

/** The service, acting by itself, on the host it runs on: which of several replicas it was. */
export function service(): string {
  return `service@${hostname()}`;
}

/** In a container the user often has a number and no name, which Node answers with an error. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
