import { addAbortSignal, type Readable } from 'node:stream';

/**
 * The stream itself, which the signal destroys. It may be aborted already, before anybody reads: the stream’s error
 * waits for whoever does then, and must not end the process.
 */
export function untilAborted(signal: AbortSignal, body: Readable): Readable {
  body.on('error', () => undefined);
  return addAbortSignal(signal, body);
}
