import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

/** Any value of a parsed file. Access needs no casts: what is missing is an empty node. */
export class Node {
  constructor(readonly value: unknown) {}

  at(...keys: readonly (string | number)[]): Node {
    const value = keys.reduce<unknown>(
      (found, key) => (isRecord(found) ? found[key] : undefined),
      this.value,
    );
    return new Node(value);
  }

  get keys(): string[] {
    return isRecord(this.value) ? Object.keys(this.value) : [];
  }

  /** A list's items, a map's values. */
  get items(): Node[] {
    return isRecord(this.value) ? Object.values(this.value).map((value) => new Node(value)) : [];
  }

  get text(): string {
    return typeof this.value === 'string' ? this.value : '';
  }

  /** The item with this name in a list. */
  named(name: string): Node {
    return this.items.find((item) => item.at('name').value === name) ?? new Node(undefined);
  }
}

/** The environment variables of a service of Compose, or of a container of Kubernetes. */
export function environmentOf(container: Node): Record<string, string> {
  const map = container.at('environment');
  const compose = map.keys.map((name) => [name, map.at(name).text]);
  const kubernetes = container
    .at('env')
    .items.map((entry) => [entry.at('name').text, entry.at('value').text]);
  return Object.fromEntries([...compose, ...kubernetes]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/**
 * The documents of a YAML file as Docker and Kubernetes read it (YAML 1.1: 0440 is octal).
 * @throws Error where it is none.
 */
export function readYaml(file: string): Node[] {
  const documents = parseAllDocuments(readFileSync(file, 'utf8'), { version: '1.1' });
  return documents.map((document) => {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault) throw fault;
    return new Node(document.toJS());
  });
}
