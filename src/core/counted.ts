/** `1 row`, `7,172 rows`; the plural is given where it is not the noun and an s. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? noun : plural}`;
}
