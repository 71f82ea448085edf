import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The S3 credentials of the only user. */
export const accessKey = 'test:tester';
export const secretKey = 'testing';
export const region = 'us-east-1';

/**
 * @typedef {object} Ports
 * @property {number} account
 * @property {number} container
 * @property {number} object
 * @property {number} proxy
 * @property {number} memcached
 */

/** The kinds of server that store data; each has a ring, which locates its data. */
export const stores = /** @type {const} */ (['account', 'container', 'object']);

/** @param {Record<string, Record<string, string | number | boolean>>} sections */
const ini = (sections) =>
  Object.entries(sections)
    .map(
      ([name, values]) =>
        `[${name}]\n${Object.entries(values)
          .map(([key, value]) => `${key} = ${value}\n`)
          .join('')}`,
    )
    .join('\n');

/** The order is Swift's own; s3api and tempauth make it an S3 server with a password. */
const filters = [
  'catch_errors',
  'gatekeeper',
  'healthcheck',
  'cache',
  'listing_formats',
  'bulk',
  's3api',
  'tempauth',
  'copy',
  'slo',
  'dlo',
  'versioned_writes',
  'symlink',
];

/** @param {Ports} ports */
function proxyConfiguration(ports) {
  const options = {
    cache: { use: 'egg:swift#memcache', memcache_servers: `127.0.0.1:${ports.memcached}` },
    s3api: { use: 'egg:swift#s3api', location: region, s3_acl: false },
    tempauth: { use: 'egg:swift#tempauth', user_test_tester: `${secretKey} .admin` },
    versioned_writes: {
      use: 'egg:swift#versioned_writes',
      allow_versioned_writes: true,
      allow_object_versioning: true,
    },
  };
  return ini({
    DEFAULT: { bind_ip: '127.0.0.1', bind_port: ports.proxy, workers: 0, user: 'root' },
    'pipeline:main': { pipeline: [...filters, 'proxy-server'].join(' ') },
    'app:proxy-server': {
      use: 'egg:swift#proxy',
      account_autocreate: true,
      allow_account_management: true,
    },
    ...Object.fromEntries(
      filters.map((name) => [`filter:${name}`, options[name] ?? { use: `egg:swift#${name}` }]),
    ),
  });
}

/**
 * Writes the configuration of a Swift with one disk, one copy and one user. It must be visible as `/etc/swift`, the
 * only place where Swift reads it.
 *
 * @param {string} directory
 * @param {Ports} ports
 */
export function writeConfiguration(directory, ports) {
  for (const name of ['etc', 'srv/disk', 'cache']) mkdirSync(join(directory, name), { recursive: true });
  const write = (/** @type {string} */ name, /** @type {string} */ text) =>
    writeFileSync(join(directory, 'etc', name), text);
  write(
    'swift.conf',
    ini({
      'swift-hash': { swift_hash_path_suffix: 'pgkeep' },
      'storage-policy:0': { name: 'only', default: 'yes' },
    }),
  );
  write('proxy-server.conf', proxyConfiguration(ports));
  for (const store of stores) {
    write(
      `${store}-server.conf`,
      ini({
        DEFAULT: {
          devices: join(directory, 'srv'),
          mount_check: false,
          bind_ip: '127.0.0.1',
          bind_port: ports[store],
          workers: 0,
          user: 'root',
          disable_fallocate: true,
          recon_cache_path: join(directory, 'cache'),
        },
        'pipeline:main': { pipeline: `${store}-server` },
        [`app:${store}-server`]: { use: `egg:swift#${store}` },
      }),
    );
  }
}
