import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until a condition holds. @throws Error after the deadline, naming the condition. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
  what: string = condition.toString(),
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(20);
  }
}
