// For `require('pgkeep/client')`, and for the types of a CommonJS application.
export * from '../client.js';
