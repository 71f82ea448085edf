import type { DatabaseUrl } from '../config/database-url.js';

/**
 * A URL with the credentials that its file has now. A copy that names another database of the server, or one host of
 * several, keeps those: only how to get in is taken.
 * @returns the same object where nothing was replaced
 */
export function currentUrl(url: DatabaseUrl): DatabaseUrl {
  const { source } = url;
  if (!source) return url;
  const latest = source.latest();
  if (latest.hosts === source.hosts) return url;
  const { user, password, sslMode, sslRootCert, sslCert, sslKey, sslPassword } = latest;
  const hosts = url.hosts === source.hosts ? latest.hosts : url.hosts;
  return { ...url, hosts, user, password, sslMode, sslRootCert, sslCert, sslKey, sslPassword };
}
