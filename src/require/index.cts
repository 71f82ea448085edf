// For `require('pgkeep')`, and for the types of a CommonJS application.
export * from '../index.js';
