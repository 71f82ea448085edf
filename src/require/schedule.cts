// For `require('pgkeep/schedule')`, and for the types of a CommonJS application.
export * from '../scheduler/scheduler.js';
