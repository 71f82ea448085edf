import { PgkeepError } from '../core/errors.js';
import type { AccessRequest } from './access.types.js';

/** Methods that change nothing. */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Returns where a browser sent the request from: a page of this host, or another one; `unknown` where it says nothing,
 * as programs that are no browser do. Browsers set these headers themselves: no page can.
 * @param host the host that the client asked for
 */
export function siteOf({ headers }: AccessRequest, host: string | undefined): 'same' | 'other' | 'unknown' {
  const { 'sec-fetch-site': site, origin } = headers;
  // Browsers send the first only by TLS and to this machine; `none` is a request that no page sent.
  if (site === 'none') return 'unknown';
  if (site !== undefined) return site === 'same-origin' ? 'same' : 'other';
  if (origin === undefined) return 'unknown';
  const from = typeof origin === 'string' && URL.canParse(origin) ? new URL(origin).host : undefined;
  return from !== undefined && from === host ? 'same' : 'other';
}

/**
 * Refuses a request that another site's page sent: the browser would add the cookie, or the proxy in front of pgkeep the
 * token. Requests that change nothing are accepted: the other page cannot read their answers.
 * @param options.site what `siteOf` returned
 * @param options.browserOnly refuses also what does not say where it comes from: for pages
 * @throws PgkeepError `CROSS_SITE_REFUSED`.
 */
export function requireSameSite(
  { method }: AccessRequest,
  { site, browserOnly }: { site: ReturnType<typeof siteOf>; browserOnly: boolean },
): void {
  if (method === undefined || SAFE.has(method)) return;
  if (site === 'same' || (site === 'unknown' && !browserOnly)) return;
  throw new PgkeepError(
    'CROSS_SITE_REFUSED',
    'Refused: the request does not come from a page of pgkeep. Nothing was changed.',
    {
      hint: 'Open pgkeep at the address that your browser shows, and repeat it there. Behind a proxy that changes the header Host, name it in TRUST_PROXY and have it send X-Forwarded-Host.',
    },
  );
}
