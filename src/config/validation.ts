/**
 * What the settings use of class-validator. File by file: its index loads every validator there is, a
 * telephone library among them, which costs each start 110 ms and 14 MB (`npm run bench`).
 */
export { IsIn } from 'class-validator/cjs/decorator/common/IsIn.js';
export { IsOptional } from 'class-validator/cjs/decorator/common/IsOptional.js';
export { ValidateBy } from 'class-validator/cjs/decorator/common/ValidateBy.js';
export { ValidateIf } from 'class-validator/cjs/decorator/common/ValidateIf.js';
export { IsISO8601 } from 'class-validator/cjs/decorator/string/IsISO8601.js';
export { Matches } from 'class-validator/cjs/decorator/string/Matches.js';
export { MinLength } from 'class-validator/cjs/decorator/string/MinLength.js';
export { Validator } from 'class-validator/cjs/validation/Validator.js';
