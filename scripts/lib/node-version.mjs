import { SetUpError } from './set-up-error.mjs';

/**
 * The versions of `engines`, which the dependencies require, and later 20s, the first that `require` an ES module. A
 * clone runs on those too, but not with `engine-strict`.
 */
const isRecentEnough = (/** @type {number} */ major, /** @type {number} */ minor) =>
  (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;

/** @param {string} version */
export function checkNodeVersion(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (isRecentEnough(major, minor)) return;
  throw new SetUpError(
    `checking Node.js ${version} (${process.execPath})`,
    'The package asks for Node.js ^22.12.0 || >=24.0.0; a clone also runs on ^20.19.0.',
    'install a current Node.js (https://nodejs.org, or with a version manager: `nvm install 22`, ' +
      '`fnm install 22`, `volta install node@22`), see `node --version`, then run the same command again.',
  );
}
