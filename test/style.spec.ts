import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** Words that texts, comments and documentation of pgkeep do not use, and what they use instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:told|tells?|telling)\b/i, 'report, show, say'],
  [/\b(?:nobody|somebody|anybody)\b/i, 'passive, or the subject'],
  [/\bmend(?:s|ed|ing)?\b/i, 'fix'],
  [/\bdeeds\b/i, 'actions'],
  [/\bof (?:its|their|his|our) own\b/i, 'its own, dedicated'],
  [/\bwhole\b(?! number)/i, 'complete, intact'],
  [/\bat once\b/i, 'immediately, in the same statement'],
  [/\b(?:is|are|was|were) to be\b/i, 'should, must'],
  [/\b(?:is|are|were) meant\b/i, 'should, intended'],
  [/\bis believed\b/i, 'is cached'],
  [/\banew\b/i, 'again'],
  [/\brid of\b/i, 'remove'],
  [/\bbec[ao]mes? of\b/i, 'happened to, result'],
  [/\b(?:take|takes|took|taken) (?:it |them |that |this )?back\b/i, 'undo, revert, roll back'],
  [/\blets? (?:it|them|nobody|through)\b/i, 'allow, block'],
  [/\bmisspelt\b/i, 'misspelled'],
  [/\bNOT GOOD\b/, 'FAILED verification'],
];

/** What the words above mean something else in: a user of the operating system, a value that users rely on. */
const EXCEPTIONS = new Set(['whole', 'nobody']);
/** PostgreSQL refuses to run as root, and the system's user of that name takes its place. */
const NAMES_A_USER = path.join('src', 'cluster', 'data-directory.ts');

interface Text {
  readonly place: string;
  readonly text: string;
}

const sources = ['src', path.join('packages', 'prisma-schema-engine-bridge', 'src')].flatMap((directory) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
    .map((file) => path.join(directory, file))
    .filter((file) => file !== NAMES_A_USER),
);

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  '.env.example',
  'packages/prisma-schema-engine-bridge/README.md',
  ...readdirSync('docs').map((page) => path.join('docs', page)),
];

/** Returns the strings and comments of a source file: what users and engineers read. */
function textsIn(file: string): Text[] {
  const text = readFileSync(file, 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const texts: Text[] = [];
  const add = (index: number, found: string): void => {
    const { line } = source.getLineAndCharacterOfPosition(index);
    if (!EXCEPTIONS.has(found)) texts.push({ place: `${file}:${line + 1}`, text: found });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) add(node.getStart(), node.text);
    if (ts.isTemplateExpression(node)) add(node.getStart(), node.getText());
    ts.forEachChild(node, visit);
  };
  visit(source);
  for (const comment of text.matchAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm)) add(comment.index, comment[0]);
  return texts;
}

function faultsOf({ place, text }: Text): string[] {
  // A phrase may go over two lines of a comment.
  const flat = text.replaceAll(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
  return WORDS.flatMap(([word, instead]) => {
    const found = word.exec(flat)?.[0];
    return found === undefined ? [] : [`${place}: "${found}". Write: ${instead}.`];
  });
}

describe('the words', () => {
  it('of texts and comments in the code are plain', () => {
    expect(sources.length).toBeGreaterThan(300);
    expect(sources.flatMap((file) => textsIn(file)).flatMap((text) => faultsOf(text))).toEqual([]);
  });

  it('of the documentation are plain', () => {
    const lines = pages.flatMap((page) =>
      readFileSync(page, 'utf8')
        .split('\n')
        .map((text, index) => ({ place: `${page}:${index + 1}`, text })),
    );
    expect(lines.flatMap((line) => faultsOf(line))).toEqual([]);
  });
});
