import { createRequire } from 'node:module';

/*
 * What pgkeep uses of class-validator, each from its own file. The public entry loads 323 modules, a library for
 * telephone numbers among them, instead of 28. That costs every start and every command 129 ms and 10 MB more on
 * Node.js 20.20, and 116 ms and 13 MB more on Node.js 24.11 with a compile cache (CPU time, median of 23 runs).
 * `require` saves half of what `import` costs, which scans CommonJS for names. The types are those of the public entry.
 */
type ClassValidator = typeof import('class-validator');

const require = createRequire(import.meta.url);

function load<Name extends keyof ClassValidator>(directory: string, name: Name): ClassValidator[Name] {
  const loaded: Pick<ClassValidator, Name> = require(`class-validator/cjs/${directory}/${name}.js`);
  return loaded[name];
}

export const IsIn = load('decorator/common', 'IsIn');
export const IsISO8601 = load('decorator/string', 'IsISO8601');
export const IsOptional = load('decorator/common', 'IsOptional');
export const Matches = load('decorator/string', 'Matches');
export const MinLength = load('decorator/string', 'MinLength');
export const ValidateBy = load('decorator/common', 'ValidateBy');
export const Validator = load('validation', 'Validator');
