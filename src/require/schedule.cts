// For `require('pgkeep/schedule')`, and for the types of a CommonJS application.
export * from '../schedule/pgkeep-schedule.module.js';
