import { expect, it } from '@jest/globals';
import { waitWithGrace } from '../../../src/core/process/concurrent.js';

const hanging = new Promise<never>(() => undefined);
const failing = async (): Promise<never> => await Promise.reject(new Error('the disk is gone'));

it('returns what the work returns, and throws what it throws', async () => {
  const { signal } = new AbortController();
  expect(await waitWithGrace(signal, 10, Promise.resolve('done'))).toBe('done');
  await expect(waitWithGrace(signal, 10, failing())).rejects.toThrow('the disk is gone');
});

it('waits after an abort for work that cleans up', async () => {
  const abort = new AbortController();
  const work = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => {
      setTimeout(() => reject(new Error('cleaned up')), 20);
    });
  });
  const ended = waitWithGrace(abort.signal, 10_000, work);
  abort.abort(new Error('enough'));
  await expect(ended).rejects.toThrow('cleaned up');
});

it('does not wait for work that hangs', async () => {
  const abort = new AbortController();
  const ended = waitWithGrace(abort.signal, 20, hanging);
  abort.abort(new Error('enough'));
  await expect(ended).rejects.toThrow('enough');
  await expect(waitWithGrace(abort.signal, 20, hanging)).rejects.toThrow('enough');
});
