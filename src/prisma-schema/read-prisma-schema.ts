import { argumentOf, namesIn, textOf, TokenReader, type Attribute } from './attributes.js';
import type { Annotation, Field, Model, PrismaSchema, Relation, SchemaFile } from './prisma-schema.types.js';
import { tokenize, type Token } from './tokens.js';

/** `@pgkeep.NAME`, with arguments or without: words, or strings in double quotes. */
const ANNOTATION = /@pgkeep\.(\w*)(?:\(((?:"(?:\\.|[^"\\])*"|[^()"])*)\))?/g;
const ANNOTATION_ARGUMENT = /"((?:\\.|[^"\\])*)"|([^,\s"][^,"]*)/g;

/** A declaration in a block, with the comments that document it: those before it, and one on its own line. */
interface Declaration {
  readonly tokens: readonly Token[];
  readonly docs: readonly Token[];
}

/**
 * Reads the models of a Prisma schema, and the annotations of pgkeep in its documentation comments. It does not
 * validate the schema, which is Prisma's task: what it does not understand it leaves out.
 */
export function readPrismaSchema(files: readonly SchemaFile[]): PrismaSchema {
  const blocks = files.map(({ path, text }) => readBlocks(path, tokenize(text)));
  const models = blocks.flatMap((read) => read.models);
  const names = new Set(models.map(({ name }) => name));
  return {
    models: new Map(
      models.map((model) => [model.name, { ...model, fields: withRelations(model.fields, names) }]),
    ),
    annotations: blocks.flatMap(({ annotations }) => annotations),
  };
}

/** A field whose type is a model is a relation, also without `@relation`. */
function withRelations(fields: readonly Field[], models: ReadonlySet<string>): Field[] {
  const none: Relation = { fields: [], references: [], onDelete: undefined };
  return fields.map((field) => ({
    ...field,
    relation: models.has(field.type) ? (field.relation ?? none) : undefined,
  }));
}

/** Reads the models of a file, and the annotations of its datasource. */
function readBlocks(
  path: string,
  tokens: readonly Token[],
): { models: readonly Model[]; annotations: readonly Annotation[] } {
  const models: Model[] = [];
  const annotations: Annotation[] = [];
  let docs: Token[] = [];
  let index = 0;
  while (index < tokens.length) {
    const [token, name, brace] = tokens.slice(index, index + 3);
    if (token?.kind === 'doc') docs.push(token);
    else if (token?.kind === 'word' && name?.kind === 'word' && brace?.text === '{') {
      const end = endOfBlock(tokens, index + 3);
      if (token.text === 'model') {
        const body = declarationsIn(tokens.slice(index + 3, end));
        models.push(readModel(path, { name, docs, body }));
      }
      if (token.text === 'datasource') annotations.push(...annotationsIn(path, docs));
      docs = [];
      index = end;
    } else if (token?.kind !== 'newline') docs = [];
    index += 1;
  }
  return { models, annotations };
}

function endOfBlock(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let index = from; index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token?.kind !== 'punctuation') continue;
    if (token.text === '{') depth += 1;
    if (token.text === '}' && depth === 0) return index;
    if (token.text === '}') depth -= 1;
  }
  return tokens.length;
}

/** A declaration ends at the end of its line, unless a bracket is open. */
function declarationsIn(tokens: readonly Token[]): Declaration[] {
  const declarations: Declaration[] = [];
  let current: Token[] = [];
  let docs: Token[] = [];
  let depth = 0;
  for (const token of [...tokens, { kind: 'newline', text: '\n', line: 0 } as const]) {
    if (token.kind === 'doc') docs.push(token);
    else if (token.kind === 'newline' && depth === 0) {
      if (current.length === 0) continue;
      declarations.push({ tokens: current, docs });
      current = [];
      docs = [];
    } else {
      current.push(token);
      if (token.kind === 'punctuation' && '([{'.includes(token.text)) depth += 1;
      if (token.kind === 'punctuation' && ')]}'.includes(token.text)) depth -= 1;
    }
  }
  return declarations;
}

function readModel(
  path: string,
  { name, docs, body }: { name: Token; docs: readonly Token[]; body: readonly Declaration[] },
): Model {
  const fields: Field[] = [];
  const uniques: (readonly string[])[] = [];
  let id: readonly string[] = [];
  let table = name.text;
  let schema: string | undefined;
  for (const { tokens, docs: fieldDocs } of body) {
    const [first, second] = tokens;
    if (first?.text === '@' && second?.text === '@') {
      for (const attribute of new TokenReader(tokens).attributes()) {
        if (attribute.name === 'map') table = textOf(argumentOf(attribute, 'name')) ?? table;
        if (attribute.name === 'schema') schema = textOf(argumentOf(attribute, 'map'));
        if (attribute.name === 'id') id = namesIn(argumentOf(attribute, 'fields'));
        if (attribute.name === 'unique' && isComplete(attribute)) {
          uniques.push(namesIn(argumentOf(attribute, 'fields')));
        }
      }
    } else if (first?.kind === 'word') {
      const { field, attributes } = readField(path, first, { tokens, docs: fieldDocs });
      fields.push(field);
      if (attributes.some((attribute) => attribute.name === 'id')) id = [field.name];
      if (attributes.some((attribute) => attribute.name === 'unique' && isComplete(attribute))) {
        uniques.push([field.name]);
      }
    }
  }
  const annotations = annotationsIn(path, docs);
  return { name: name.text, path, line: name.line, table, schema, fields, id, uniques, annotations };
}

/** A unique index with `where` holds for some rows only. */
function isComplete({ args }: Attribute): boolean {
  return !args.some(({ name }) => name === 'where');
}

function readField(
  path: string,
  { text: name, line }: Token,
  { tokens, docs }: Declaration,
): { field: Field; attributes: readonly Attribute[] } {
  const reader = new TokenReader(tokens.slice(1));
  const type = reader.word() ?? '';
  // `Unsupported("circle")`
  reader.arguments();
  const isList = reader.take('[') && reader.take(']');
  const isOptional = reader.take('?');
  const attributes = reader.attributes();
  const named = (attribute: string) => attributes.find((candidate) => candidate.name === attribute);
  const map = named('map');
  const relation = named('relation');
  const native = attributes.find((attribute) => attribute.name.startsWith('db.'));
  const field: Field = {
    name,
    path,
    line,
    type,
    isList,
    isOptional,
    column: (map && textOf(argumentOf(map, 'name'))) ?? name,
    isUpdatedAt: named('updatedAt') !== undefined,
    hasDefault: named('default') !== undefined,
    nativeType: native && nativeTypeOf(native),
    relation: relation && relationOf(relation),
    annotations: annotationsIn(path, docs),
  };
  return { field, attributes };
}

function nativeTypeOf({ name, args }: Attribute): string {
  const values = args.map(({ value }) => textOf(value)).join(', ');
  return `${name.slice('db.'.length)}${values === '' ? '' : `(${values})`}`;
}

function relationOf({ args }: Attribute): Relation {
  const value = (name: string) => args.find((arg) => arg.name === name)?.value;
  return {
    fields: namesIn(value('fields')),
    references: namesIn(value('references')),
    onDelete: textOf(value('onDelete')),
  };
}

function annotationsIn(path: string, docs: readonly Token[]): Annotation[] {
  return docs.flatMap(({ text, line }) =>
    [...text.matchAll(ANNOTATION)].map(([, name = '', args = '']) => ({
      name,
      args: [...args.matchAll(ANNOTATION_ARGUMENT)].map(([, quoted, bare = '']) => quoted ?? bare.trim()),
      path,
      line,
    })),
  );
}
