// docs/cli.md: every verb with its arguments and options, from the program's declarations.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { declareVerb } from '../../dist/cli/program.js';
import { VERBS } from '../../dist/cli/verbs.js';
import { root } from '../lib/project.mjs';
import { fillParts, table } from './markdown.mjs';

/**
 * A verb with its complete name, such as `backup list`.
 *
 * @typedef {{name: string, description: string, command: Command}} DeclaredVerb
 */

/** @type {import('./pages.mjs').Page} */
export const cliPage = {
  file: 'docs/cli.md',
  render: async (current) => {
    const verbs = await declared(VERBS);
    return fillParts(current, { overview: overview(verbs), reference: verbs.map(section).join('\n\n') });
  },
};

/**
 * @param {readonly import('../../dist/cli/verbs.js').VerbEntry[]} entries
 * @returns {Promise<DeclaredVerb[]>}
 */
async function declared(entries, prefix = '') {
  const found = [];
  for (const { name, description, load, verbs = [] } of entries.filter(({ isHidden }) => !isHidden)) {
    const verb = await load?.();
    if (verb) {
      found.push({ name: `${prefix}${name}`, description, command: declareVerb(new Command(name), verb) });
    }
    found.push(...(await declared(verbs, `${prefix}${name} `)));
  }
  return found;
}

/** @param {readonly DeclaredVerb[]} verbs */
function overview(verbs) {
  const scripts = npmScripts();
  return table(
    ['command', 'npm script', 'what it does'],
    verbs.map(({ name, description }) => [
      `[\`${name}\`](#${anchorOf(name)})`,
      scripts.has(name) ? `\`${scripts.get(name)}\`` : '',
      description,
    ]),
  );
}

/** @param {DeclaredVerb} verb */
function section({ name, description, command }) {
  const takes = command.registeredArguments.map((argument) => [
    `\`${argument.required ? `<${argument.name()}>` : `[${argument.name()}]`}\``,
    argument.description,
  ]);
  const options = command.options
    .filter(({ hidden }) => !hidden)
    .map((option) => [`\`${option.flags}\``, `${option.description}${remarks(option)}`]);
  const rows = [...takes, ...options];
  return [
    `### pgkeep ${name}`,
    description,
    ...(rows.length === 0 ? [] : [table(['argument or option', 'meaning'], rows)]),
  ].join('\n\n');
}

/** @param {import('commander').Option} option */
function remarks({ argChoices, defaultValue, negate }) {
  const remark = [
    ...(argChoices ? [`one of ${argChoices.map((choice) => `\`${choice}\``).join(', ')}`] : []),
    ...(negate ||
    defaultValue === undefined ||
    Array.isArray(defaultValue) ||
    typeof defaultValue === 'boolean'
      ? []
      : [`default \`${defaultValue}\``]),
  ];
  return remark.length === 0 ? '' : ` (${remark.join('; ')})`;
}

/** Returns the npm scripts by the command they run. */
function npmScripts() {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  return new Map(
    Object.entries(scripts).flatMap(([script, line]) => {
      const [, command] = /^node dist\/cli\.js (.+)$/.exec(String(line)) ?? [];
      return command === undefined ? [] : [[command, script]];
    }),
  );
}

/** @param {string} name */
function anchorOf(name) {
  return `pgkeep-${name.replaceAll(' ', '-')}`;
}
