// For `require('pgkeep/client/nest')`, and for the types of a CommonJS application.
export * from '../client/nest/pgkeep-client.module.js';
