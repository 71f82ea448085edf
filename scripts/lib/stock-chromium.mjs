import { existsSync } from 'node:fs';
import { withPackageLists } from './apt.mjs';
import { run } from './run.mjs';

/**
 * Installs Debian's Chromium if it is missing, for the test that walks the dashboard with a browser. Only root can. pgkeep
 * does not need it.
 */
export async function fetchStockChromium() {
  if (existsSync('/usr/bin/chromium')) return;
  if (process.getuid?.() !== 0) throw new Error('only root can install it: apt-get install chromium');
  const install = ['install', '-q', '-y', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'];
  await withPackageLists(run, [], async () => await run('apt-get', install));
}
