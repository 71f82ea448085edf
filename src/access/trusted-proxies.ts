import { BlockList, isIP } from 'node:net';
import type { Network } from '../config/setting-parsers.js';
import type { AccessRequest } from './access.types.js';

/**
 * Finds out where a request comes from. Any client can send `X-Forwarded-…`, so these headers count only where a trusted
 * proxy of `TRUST_PROXY` wrote them. The frameworks' own `request.ip`, `protocol` and `host` are not used: they depend
 * on the importing application's settings, and may be whatever the client claims.
 */
export class TrustedProxies {
  private readonly trusted = new BlockList();

  constructor(trustedProxies: readonly Network[]) {
    for (const { address, prefix, family } of trustedProxies) this.trusted.addSubnet(address, prefix, family);
  }

  /**
   * Returns the client's address in a canonical form: of `X-Forwarded-For`, read from the right, the first address that
   * is not a trusted proxy's.
   */
  clientOf(request: AccessRequest): string {
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
    let client = peerOf(request);
    while (this.isTrusted(client)) {
      const before = addressOf(forwarded.pop() ?? '');
      // Either the proxy itself is the client, or it does not say who is.
      if (before === undefined) break;
      client = before;
    }
    return client;
  }

  /** Returns whether the sender names a client in `X-Forwarded-For` without being a trusted proxy. */
  isUntrustedProxy(request: AccessRequest): boolean {
    return request.headers['x-forwarded-for'] !== undefined && !this.isTrusted(peerOf(request));
  }

  /** Returns whether the client reached pgkeep, or the first proxy in front of it, by TLS. */
  isSecure(request: AccessRequest): boolean {
    if (request.socket.encrypted === true) return true;
    return this.forwarded(request, 'x-forwarded-proto')?.toLowerCase() === 'https';
  }

  /** Returns the host and port that the client asked for; undefined where it did not say. */
  hostOf(request: AccessRequest): string | undefined {
    const { host } = request.headers;
    return (this.forwarded(request, 'x-forwarded-host') ?? (typeof host === 'string' ? host : undefined))
      ?.trim()
      .toLowerCase();
  }

  /** Returns what the first proxy wrote in a header, where the nearest one is trusted. */
  private forwarded(request: AccessRequest, name: string): string | undefined {
    if (!this.isTrusted(peerOf(request))) return undefined;
    return [request.headers[name] ?? []].flat().join(',').split(',')[0]?.trim() || undefined;
  }

  private isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.trusted.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/** Returns the other end of the connection; empty where that is a Unix socket. */
function peerOf({ socket }: AccessRequest): string {
  return addressOf(socket.remoteAddress ?? '') ?? '';
}

/** The addresses that the Internet routes. */
const GLOBAL_IPV6 = /^[23][0-9a-f]{3}:/;

/**
 * Returns what failures are counted by: the address, or the /64 network of a global IPv6 address, since one host has
 * all the addresses of such a network to itself.
 */
export function networkOf(address: string): string {
  return GLOBAL_IPV6.test(address) ? `${address.split(':').slice(0, 4).join(':')}::/64` : address;
}

/** IPv6 networks whose last 32 bits are an IPv4 address: mapped ones, and those of the well-known translation prefix. */
const IPV4_INSIDE = new Set(['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0']);

/** Returns an address in its plain form: no port, no brackets, no zone, and IPv4 not embedded in IPv6. */
function addressOf(text: string): string | undefined {
  const [, bracketed, withPort] = /^\[([^\]]+)\](?::\d+)?$|^([\d.]+):\d+$/.exec(text.trim()) ?? [];
  const address = (bracketed ?? withPort ?? text.trim()).replace(/%.*$/, '');
  const version = isIP(address);
  if (version === 0) return undefined;
  if (version === 4) return address;
  const groups = groupsOf(address);
  if (!IPV4_INSIDE.has(groups.slice(0, 6).join(':'))) return groups.join(':');
  return groups
    .slice(6)
    .map((group) => Number.parseInt(group, 16))
    .map((bits) => `${bits >> 8}.${bits & 0xff}`)
    .join('.');
}

/** Returns the eight groups of an IPv6 address, without leading zeros. */
function groupsOf(address: string): string[] {
  // The URL parser writes an address in its one canonical form, IPv4 notation included.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail] = canonical.split('::').map((part) => part.split(':').filter(Boolean));
  if (tail === undefined) return head;
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
}
