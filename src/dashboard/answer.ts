import { createHash } from 'node:crypto';
import type { Problem } from '../http/problem.js';

/** What a page, a form or a file answers, apart from any framework. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The headers of every page. Nothing is loaded from elsewhere, nothing inline is executed, and no other site may show a
 * page in a frame. The referrer stays within this site, but is sent there: without it a browser that knows no
 * `Sec-Fetch-Site` sends its forms with the origin `null`, which is refused.
 */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** Returns a page. */
export function page(body: string, status = 200): Answer {
  return { status, headers: PAGE_HEADERS, body };
}

/** Leads the browser to another page; `location` is relative, so it is right wherever the pages are mounted. */
export function seeOther(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 303, headers: { ...PAGE_HEADERS, ...headers, location }, body: '' };
}

/** Returns a file whose name has the digest of its contents. */
export function asset(contentType: string, body: string): Answer {
  const headers = {
    ...PAGE_HEADERS,
    'content-type': contentType,
    'cache-control': 'public, max-age=31536000, immutable',
  };
  return { status: 200, headers, body };
}

/** Returns a self-contained document, which no script may run in, as a download. */
export function download(fileName: string, body: string): Answer {
  const headers = {
    ...PAGE_HEADERS,
    'content-security-policy':
      "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'content-disposition': `attachment; filename="${fileName.replaceAll(/[^\w.-]/g, '_')}"`,
  };
  return { status: 200, headers, body };
}

/** Returns part of a page, or 304 where the browser has it. */
export function fragment(body: string, title: string, etag: string, known: string | undefined): Answer {
  const headers = { ...PAGE_HEADERS, etag, 'x-title': encodeURIComponent(title) };
  return known === etag ? { status: 304, headers, body: '' } : { status: 200, headers, body };
}

/** Returns the entity tag of a text. */
export function etagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/** Returns the same answer with the headers of an error. */
export function refused({ status }: Problem, body: string, retryAfterSeconds?: number): Answer {
  const answer = page(body, status);
  if (retryAfterSeconds === undefined) return answer;
  return { ...answer, headers: { ...answer.headers, 'retry-after': String(retryAfterSeconds) } };
}
