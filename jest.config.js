export default {
  testEnvironment: '<rootDir>/test/support/timed-environment.mjs',
  roots: ['<rootDir>/test', '<rootDir>/packages'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^pgkeep/client$': '<rootDir>/src/client.ts',
    '^pgkeep/client/nest$': '<rootDir>/src/client/nest/pgkeep-client.module.ts',
    '^#prisma-schema-engine-bridge$': '<rootDir>/packages/prisma-schema-engine-bridge/src/index.ts',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true, dynamicImport: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
      },
    ],
  },
  // How long a loaded machine may take; what a test itself waits for has its own deadlines.
  testTimeout: 120_000,
  // Most of a test's time is spent waiting for PostgreSQL and for other processes.
  maxWorkers: '100%',
  // Each spec leaves its modules behind in the worker that ran it.
  workerIdleMemoryLimit: '700MB',
};
