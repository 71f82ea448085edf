import { isIP } from 'node:net';
import path from 'node:path';
import type { ReadContext } from './setting.js';
import { type Gate, GATES } from './settings.js';

/** Switches a schedule off: something else runs the job, such as a Kubernetes CronJob. */
export const NO_SCHEDULE = 'off';

export function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true';
}

export function parseList(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

export function parseSchedule(text: string): string | undefined {
  return text.toLowerCase() === NO_SCHEDULE ? undefined : text;
}

export function parsePath(text: string, { workingDirectory }: ReadContext): string {
  return path.resolve(workingDirectory, text);
}

export function parseDate(text: string): Date {
  return new Date(text);
}

/** Returns seconds in milliseconds. */
export function parseSeconds(text: string): number {
  return Number(text) * 1000;
}

/** Returns minutes in milliseconds. */
export function parseMinutes(text: string): number {
  return Number(text) * 60_000;
}

/** Returns megabytes in bytes. */
export function parseMegabytes(text: string): number {
  return Number(text) * 1_048_576;
}

/** Returns the address of pages, with the slash at its end that relative links need. @throws Error for anything else. */
export function parsePublicUrl(text: string): string {
  const url = new URL(text);
  const isPlain =
    /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === '';
  if (!isPlain) throw new Error('it is not the address of a page');
  return url.href.replace(/\/*$/, '/');
}

/** Returns a parser of one of several words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new Error(`it is none of ${words.join(', ')}`);
    return found;
  };
}

/** Completes "READINESS_GATES must be …". */
export const GATE_LIST = 'a list such as backupConfig=latch,environment=warn';

/**
 * Parses `READINESS_GATES`, such as `backupConfig=latch,environment=warn`: the gates of the checks that it names.
 * @throws Error that names the wrong entry.
 */
export function parseGates(text: string): Readonly<Record<string, Gate>> {
  const gates = new Map<string, Gate>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [name = '', value = ''] = entry.split('=').map((part) => part.trim());
    const gate = GATES.find((known) => known === value);
    if (!gate) throw new Error(`"${value}" is not a gate (${GATES.join(', ')})`);
    if (gates.has(name)) throw new Error(`${name} is named twice`);
    gates.set(name, gate);
  }
  return Object.fromEntries(gates);
}

/** Refuses a name that no check has, if the checks are known. */
export function refuseUnknownCheck(text: string, { checks }: ReadContext): string | undefined {
  const unknown = Object.keys(parseGates(text)).find((name) => checks?.includes(name) === false);
  if (unknown === undefined) return undefined;
  return `${GATE_LIST}: "${unknown}" is not a check (${checks?.join(', ')})`;
}

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

/** Bytes by unit: decimal as disks are sold, or binary. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/** Parses a size such as `100GB` or `1.5TiB`. Returns bytes. @throws Error where it is none. */
export function parseSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([MGT]i?B)$/i.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(number) * (SIZE_UNITS[unit.toUpperCase()] ?? 0));
  if (!(bytes > 0)) throw new Error(`"${text}" is not a size`);
  return bytes;
}

/** A finding that is never reported. */
export interface IgnoredFinding {
  readonly code: string;
  /** A subject, in which `*` stands for anything; undefined: every subject. */
  readonly subject: string | undefined;
}

/**
 * Parses a comma separated list of codes, each with a subject or without, such as `INDEX_DUPLICATE,TABLE_UNLOGGED:staging.*`.
 * @throws Error that names the wrong entry.
 */
export function parseIgnored(text: string): IgnoredFinding[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [code = '', ...subject] = entry.split(':');
      if (!/^[A-Z_]+$/.test(code)) throw new Error(`"${code}" is not a code`);
      if (subject.length > 0 && subject.join(':').trim() === '')
        throw new Error(`"${entry}" names no subject`);
      return { code, subject: subject.length === 0 ? undefined : subject.join(':').trim() };
    });
}
