import { expect } from '@jest/globals';
import { inspect } from 'node:util';
import type { Environment } from '../../src/config/read-settings.js';

/** Every secret in these settings: passwords of URLs as written and decoded, URLs with credentials, tokens. */
export function secretsOf(environment: Environment): string[] {
  const secrets = Object.entries(environment).flatMap(([name, value]) => {
    if (!value?.trim()) return [];
    if (name === 'ADMIN_API_TOKEN' || name === 'METRICS_TOKEN' || name === 'BACKUP_ENCRYPTION_IDENTITY')
      return [value];
    if (name === 'BACKUP_ENCRYPTION_KEY' && !value.startsWith('age1')) return [value];
    const password = /^postgres(?:ql)?:\/\/[^:/?]*:([^/?]*)@/.exec(value)?.[1];
    return password ? [value, password, decoded(password)] : [];
  });
  return [...new Set(secrets)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A password with a bare %, which is not valid in a URL: it counts as written.
    return text;
  }
}

/** Everything that a program under test printed or sent: answers, logs, output, command lines. */
export class Transcript {
  private readonly parts: string[] = [];
  private readonly secrets = new Set<string>();

  constructor(secrets: readonly string[] = []) {
    for (const secret of secrets) this.secrets.add(secret);
  }

  add(...said: unknown[]): void {
    this.parts.push(said.map((part) => (typeof part === 'string' ? part : inspect(part))).join(' '));
  }

  get text(): string {
    return this.parts.join('\n');
  }

  /** Fails the test if any part of the transcript contains a secret. */
  expectNoSecret(): void {
    const shown = this.parts.filter((part) => [...this.secrets].some((secret) => part.includes(secret)));
    expect(shown).toEqual([]);
  }
}
