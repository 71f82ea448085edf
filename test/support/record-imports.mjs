// `node --import`: appends the address of every module that is imported to the file that RECORDED_IMPORTS names. On
// SIGUSR2 also those that CommonJS has loaded, and a last line "complete".
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { pathToFileURL } from 'node:url';

const hooks = `
  import { appendFileSync } from 'node:fs';
  export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    appendFileSync(process.env.RECORDED_IMPORTS, resolved.url + '\\n');
    return resolved;
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

process.once('SIGUSR2', () => {
  const loaded = Object.keys(createRequire(import.meta.url).cache).map((file) => pathToFileURL(file).href);
  appendFileSync(process.env.RECORDED_IMPORTS ?? '', [...loaded, 'complete\n'].join('\n'));
});
