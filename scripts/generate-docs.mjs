// `npm run docs:generate`: writes the pages that derive from declarations in the code.
// `node scripts/generate-docs.mjs --check` writes nothing: it lists the pages that differ, and exits with 1 if any
// does.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './lib/project.mjs';
import { setUpOrExit } from './lib/set-up.mjs';

const isCheck = process.argv.includes('--check');
// The pages read dist/. `npm test`, which checks them, has built it.
if (!isCheck) await setUpOrExit({ needsPostgresql: false });
const { PAGES } = await import('./docs/pages.mjs');
const prettier = await import('prettier');

for (const { file, render } of PAGES) {
  const absolute = path.join(root, file);
  const current = existsSync(absolute) ? readFileSync(absolute, 'utf8') : '';
  const rendered = await formatted(absolute, await render(current));
  if (rendered === current) continue;
  if (isCheck) {
    console.log(`${file} differs from the declarations in the code. Run \`npm run docs:generate\`.`);
    process.exitCode = 1;
  } else {
    writeFileSync(absolute, rendered);
    console.log(`Wrote ${file}.`);
  }
}

/**
 * Returns a page as Prettier formats it; files that Prettier has no parser for are not changed.
 *
 * @param {string} file
 * @param {string} text
 */
async function formatted(file, text) {
  const { inferredParser } = await prettier.getFileInfo(file);
  if (inferredParser === null) return text;
  return prettier.format(text, { ...(await prettier.resolveConfig(file)), filepath: file });
}
