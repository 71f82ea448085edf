// For `require('pgkeep/schedule')`, and for the types of a CommonJS application.
export * from '../scheduler/pgkeep-schedule.module.js';
