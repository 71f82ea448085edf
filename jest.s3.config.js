import config from './jest.config.js';

/** The tests that want an S3 server: `npm run test:s3` brings one. Whole commands run in them: a loaded machine takes its time. */
export default { ...config, testMatch: ['**/*.s3-spec.ts'], testTimeout: 120_000 };
