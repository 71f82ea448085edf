import { expect } from '@jest/globals';
import type { Settings } from '../../src/config/settings.js';
import { environmentOf, Node, readYaml } from './deployment-file.js';
import { settingsOf } from './settings-of.js';

const KUBERNETES = 'deploy/kubernetes';

/**
 * Returns the settings that stand-alone.yaml has with a kustomize component, whose patch must be one of its Deployment.
 * @param secrets the files of the secret that the component needs beside those of stand-alone.yaml
 */
export function settingsWithComponent(
  component: string,
  secrets: Readonly<Record<string, string>>,
): Settings {
  const read = (file: string): Node =>
    readYaml(`${KUBERNETES}/${component}/${file}`)[0] ?? new Node(undefined);
  const patch = read(read('kustomization.yaml').at('patches', 0, 'path').text);
  const deployment =
    readYaml(`${KUBERNETES}/stand-alone.yaml`).find((one) => one.at('kind').text === 'Deployment') ??
    new Node(undefined);
  expect([patch.at('kind').value, patch.at('metadata', 'name').value]).toEqual([
    'Deployment',
    deployment.at('metadata', 'name').value,
  ]);
  const pgkeep = (resource: Node): Node =>
    resource.at('spec', 'template', 'spec', 'containers').named('pgkeep');
  return settingsOf(
    { ...environmentOf(pgkeep(deployment)), ...environmentOf(pgkeep(patch)) },
    pgkeep(deployment).at('volumeMounts').named('secret').at('mountPath').text,
    {
      'database-url': 'postgresql://u@db:5432/clinic?sslmode=verify-full',
      'admin-api-token': 'f'.repeat(64),
      ...secrets,
    },
  );
}
