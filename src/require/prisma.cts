// For `require('pgkeep/prisma')`, and for the types of a CommonJS application.
export * from '../prisma.js';
