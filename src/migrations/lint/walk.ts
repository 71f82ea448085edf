import type { Node } from 'libpg-query';

/** Visits every node of a tree, the outermost first. */
export function walk(tree: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(tree)) {
    for (const part of tree) walk(part, visit);
  } else if (typeof tree === 'object' && tree !== null) {
    if (isNode(tree)) visit(tree);
    for (const part of Object.values(tree)) walk(part, visit);
  }
}

/** A node is an object with one member, its type, which is spelled like one; a member of a node begins small. */
function isNode(value: object): value is Node {
  const [name, ...others] = Object.keys(value);
  return name !== undefined && others.length === 0 && /^[A-Z]/.test(name);
}
