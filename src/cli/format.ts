/** `7,172` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `202.4 MB`; 1 kB is 1,024 bytes. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `0.8 s` */
export function formatSeconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

/** A time as people read it, in UTC, which a heading says: `2026-02-07 12:00:00`. */
export function formatTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}
