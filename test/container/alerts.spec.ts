import { expect, it } from '@jest/globals';
import { Node, readYaml } from './deployment-file.js';
import { settingsWithComponent } from './kubernetes-component.js';

it('deploy/kubernetes/alerts gives stand-alone.yaml receivers from a file, contacts, and something to send', () => {
  const component = readYaml('deploy/kubernetes/alerts/kustomization.yaml')[0] ?? new Node(undefined);
  expect(component.at('kind').text).toBe('Component');
  const settings = settingsWithComponent('alerts', {
    'alert-webhooks': `slack+https://hooks.slack.com/services/T0/B0/${'x'.repeat(24)}\ngeneric+https://alerts.example/hook\n`,
  });
  expect(settings.monitoring.enabled).toBe(true);
  expect(settings.alerts.webhooks).toHaveLength(2);
  expect(settings.alerts.contacts).toHaveLength(3);
  expect(settings.dashboard.publicUrl).toBe('https://pgkeep.example.com/');
});
