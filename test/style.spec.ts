import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** Words that texts, comments, test titles and documentation do not use, and what they use instead. */
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
  [/\bupkeep\b/i, 'maintenance'],
  [/\b(?:unseal|sealer|resealed)\w*\b/i, 'encrypt, decrypt'],
  [/\bfor so long\b/i, 'for this time'],
  [/\bhands? over\b/i, 'pass'],
  [/\b(?:amiss|beforehand|henceforth|lest|ought|shall|thereby)\b/i, 'the common word'],
  [/\bin vain\b/i, 'without effect'],
  [/\b(?:and|or) the like\b/i, 'such as'],
];

/** Names that were replaced, and by what. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/deed(?!l)/i, 'action'],
  [/upkeep/i, 'maintenance'],
  [/sealer|unseal/i, 'encrypt, decrypt'],
  [/^told$|Told(?![a-z])/, 'what the value is'],
  [/nobody|somebody/i, 'unknown, another'],
  [/^mend|Mend(?:ed|s)?(?![a-z])/, 'fix'],
  [/^KeepError$/, 'PgkeepError'],
];

/** Strings in which the words above mean something else: a value that users rely on, a user of the system. */
const EXCEPTIONS = new Set(['whole', 'nobody']);

/** Files that must contain some of the words above. */
const EXEMPT = new Map([
  [path.join('src', 'cluster', 'data-directory.ts'), 'names the operating system’s user nobody'],
  [path.join('test', 'style.spec.ts'), 'lists the words'],
]);

/** Files that must contain some of the names above: earlier versions used them, and users rely on them. */
const ALIASES = new Set([
  path.join('src', 'index.ts'),
  path.join('src', 'audit-log', 'audit-log.types.ts'),
  path.join('src', 'audit-log', 'audit-log.service.ts'),
  path.join('test', 'earlier-version.spec.ts'),
]);

/** Data of earlier versions and of other programs, and what is generated or installed. */
const NOT_OURS = new Set(['fixtures', 'generated', 'node_modules', 'dist']);

interface Text {
  readonly place: string;
  readonly text: string;
}

const sources = ['assets', 'src', 'test', 'scripts', 'bench', 'packages'].flatMap((directory) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ts|mts|mjs|js)$/.test(file))
    .filter((file) => !file.split(path.sep).some((part) => NOT_OURS.has(part)))
    .map((file) => path.join(directory, file))
    .filter((file) => !EXEMPT.has(file)),
);

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  '.env.example',
  'packages/prisma-schema-engine-bridge/README.md',
  'examples/clinic/README.md',
  'examples/clinic/prisma/schema.prisma',
  'examples/clinic/prisma/seed.sql',
  'jest.config.js',
  ...readdirSync('scripts')
    .filter((file) => file.endsWith('.sh'))
    .map((file) => path.join('scripts', file)),
  ...readdirSync('docs')
    .filter((page) => page.endsWith('.md'))
    .map((page) => path.join('docs', page)),
];

interface Source {
  readonly file: string;
  /** Strings and comments: what users and engineers read. */
  readonly texts: readonly Text[];
  /** Identifiers, and the name of the file. */
  readonly names: readonly Text[];
}

function readSource(file: string): Source {
  const content = readFileSync(file, 'utf8');
  const source = ts.createSourceFile(file, content, ts.ScriptTarget.Latest);
  const texts: Text[] = [];
  const names: Text[] = [{ place: file, text: path.parse(file).name }];
  const at = (index: number, text: string): Text => ({
    place: `${file}:${source.getLineAndCharacterOfPosition(index).line + 1}`,
    text,
  });
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) && !EXCEPTIONS.has(node.text))
      texts.push(at(node.getStart(source), node.text));
    if (ts.isTemplateExpression(node)) texts.push(at(node.getStart(source), node.getText(source)));
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node))
      names.push(at(node.getStart(source), node.text));
    ts.forEachChild(node, visit);
  };
  visit(source);
  for (const comment of content.matchAll(/\/\*[\s\S]*?\*\/|(?:(?<=^|\s)\/\/.*\s*)+/gm))
    texts.push(at(comment.index, comment[0]));
  return { file, texts, names };
}

function faultsOf({ place, text }: Text, words = WORDS): string[] {
  // A phrase may go over two lines of a comment.
  const flat = text.replaceAll(/\s*\n\s*(?:\*|\/\/)?\s*/g, ' ');
  return words.flatMap(([word, instead]) => {
    const found = word.exec(flat)?.[0];
    return found === undefined ? [] : [`${place}: "${found}". Write: ${instead}.`];
  });
}

const read = sources.map((file) => readSource(file));

describe('the words', () => {
  it('of texts, comments and test titles in the code are plain', () => {
    expect(sources.length).toBeGreaterThan(700);
    expect(read.flatMap(({ texts }) => texts).flatMap((text) => faultsOf(text))).toEqual([]);
  });

  it('of names in the code are current, in file names too', () => {
    const names = read.filter(({ file }) => !ALIASES.has(file)).flatMap((source) => source.names);
    expect(names.flatMap((name) => faultsOf(name, NAMES))).toEqual([]);
  });

  it('of the documentation, the example and the shell scripts are plain', () => {
    const lines = pages.flatMap((page) =>
      readFileSync(page, 'utf8')
        .split('\n')
        .map((text, index) => ({ place: `${page}:${index + 1}`, text })),
    );
    expect(lines.flatMap((line) => faultsOf(line))).toEqual([]);
  });
});
