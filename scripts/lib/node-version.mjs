import { SetUpError } from './set-up-error.mjs';

/** The first versions that `require` an ES module, as some dependencies do: later 20s, later 22s, all since 23. */
const isRecentEnough = (/** @type {number} */ major, /** @type {number} */ minor) =>
  (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 23;

/** @param {string} version */
export function checkNodeVersion(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (isRecentEnough(major, minor)) return;
  throw new SetUpError(
    `checking Node.js ${version} (${process.execPath})`,
    'pgkeep needs Node.js 20.19 or later (of the 22s, 22.12 or later).',
    'install a current Node.js (https://nodejs.org, or with a version manager: `nvm install 22`, ' +
      '`fnm install 22`, `volta install node@22`), see `node --version`, then run the same command again.',
  );
}
