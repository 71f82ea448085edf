import { expect, it } from '@jest/globals';
import { environmentOf, Node, readYaml } from './deployment-file.js';
import { settingsOf } from './settings-of.js';

const KUBERNETES = 'deploy/kubernetes';
const SECRETS = {
  'database-url': `postgresql://u:${'a'.repeat(32)}@db:5432/clinic?sslmode=verify-full&sslrootcert=/run/secrets/pgkeep/root.crt`,
  'admin-api-token': 'f'.repeat(64),
  'root.crt': '',
  'alert-webhooks': `slack+https://hooks.slack.com/services/T0/B0/${'x'.repeat(24)}\ngeneric+https://alerts.example/hook\n`,
};

const read = (file: string): Node => readYaml(`${KUBERNETES}/${file}`)[0] ?? new Node(undefined);

it('deploy/kubernetes/alerts gives stand-alone.yaml receivers from a file, contacts, and something to send', () => {
  const component = read('alerts/kustomization.yaml');
  expect(component.at('kind').text).toBe('Component');
  const patch = read(`alerts/${component.at('patches', 0, 'path').text}`);
  const deployment = readYaml(`${KUBERNETES}/stand-alone.yaml`).find(
    (document) => document.at('kind').text === 'Deployment',
  );
  if (deployment === undefined) throw new Error('stand-alone.yaml has no Deployment');
  expect([patch.at('kind').text, patch.at('metadata', 'name').text]).toEqual([
    'Deployment',
    deployment.at('metadata', 'name').text,
  ]);
  const pgkeep = (resource: Node): Node =>
    resource.at('spec', 'template', 'spec', 'containers').named('pgkeep');
  const mount = pgkeep(deployment).at('volumeMounts').named('secret').at('mountPath').text;
  const settings = settingsOf(
    { ...environmentOf(pgkeep(deployment)), ...environmentOf(pgkeep(patch)) },
    mount,
    SECRETS,
  );
  expect(settings.monitoring.enabled).toBe(true);
  expect(settings.alerts.webhooks).toHaveLength(2);
  expect(settings.alerts.contacts).toHaveLength(3);
  expect(settings.dashboard.publicUrl).toBe('https://pgkeep.example.com/');
});
