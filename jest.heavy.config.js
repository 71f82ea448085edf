import config from './jest.config.js';

/** The tests that take minutes each: `npm run test:heavy`, or one of them with its path behind it. */
export default { ...config, testMatch: ['**/*.heavy-spec.ts'], testTimeout: 1_800_000, maxWorkers: 1 };
