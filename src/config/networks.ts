import { isIP } from 'node:net';

/** A network of IP addresses. A single address is a network with the longest prefix. */
export interface Network {
  readonly address: string;
  /** How many leading bits of the address all members share. */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/**
 * Parses a comma separated list of addresses and networks, such as `10.0.0.0/8,fd00::/8,192.168.1.7`.
 * @throws Error that names the wrong entry.
 */
export function parseNetworks(text: string): Network[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseNetwork);
}

function parseNetwork(entry: string): Network {
  const [address = '', prefixText, ...rest] = entry.split('/');
  const version = isIP(address);
  // A zone (fe80::1%eth0) belongs to an interface, not to the address.
  if (version === 0 || address.includes('%') || rest.length > 0) {
    throw new Error(`"${entry}" is neither an address nor a network`);
  }
  const longest = version === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? longest : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix === 0) throw new Error(`"${entry}" would trust every address`);
  if (prefix < 0 || prefix > longest) {
    throw new Error(`"${entry}" must have a prefix from 1 to ${longest}`);
  }
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}
