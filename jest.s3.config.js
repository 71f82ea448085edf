import config from './jest.config.js';

/** The tests that want an S3 server: `npm run test:s3` brings one. */
export default { ...config, testMatch: ['**/*.s3-spec.ts'] };
