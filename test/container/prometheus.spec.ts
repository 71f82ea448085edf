import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { METRICS } from '../../src/metrics/metrics.service.js';
import { Node, readYaml } from './deployment-file.js';
import { settingsWithComponent } from './kubernetes-component.js';

const RULES = 'deploy/prometheus/pgkeep.rules.yml';
const KUBERNETES = 'deploy/kubernetes';
const NAMES: ReadonlySet<string> = new Set(METRICS.map(({ name }) => name));

/** The names of pgkeep's metrics in an expression, with the labels that it names. */
function metricsIn(expression: string): string[] {
  return expression.match(/\bpgkeep_\w+/g) ?? [];
}

function read(file: string): Node {
  return readYaml(file)[0] ?? new Node(undefined);
}

const rules = read(RULES)
  .at('groups')
  .items.flatMap((group) => group.at('rules').items);

describe('deploy/prometheus/pgkeep.rules.yml', () => {
  it('uses metrics that exist', () => {
    const used = rules.flatMap((rule) => metricsIn(rule.at('expr').text));
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((name) => !NAMES.has(name))).toEqual([]);
  });

  it('says of each alert how bad it is, what happens and what to do', () => {
    const alerts = rules.map((rule) => rule.at('alert').text);
    expect(new Set(alerts).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule.at('alert').text).toMatch(/^Pgkeep[A-Z]\w+$/);
      expect(rule.at('labels', 'severity').text).toMatch(/^(critical|warning)$/);
      expect(rule.at('annotations', 'summary').text).toMatch(/^[A-Z{].*\.$/);
      expect(rule.at('annotations', 'description').text).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('has a test that sees each alert fire, and not fire', () => {
    const tests = read('deploy/prometheus/pgkeep.rules.test.yml')
      .at('tests')
      .items.flatMap((test) => test.at('alert_rule_test').items);
    const withAlerts = (fires: boolean): string[] =>
      tests
        .filter((test) => test.at('exp_alerts').items.length > 0 === fires)
        .map((test) => test.at('alertname').text);
    const alerts = new Set(rules.map((rule) => rule.at('alert').text));
    expect(new Set(withAlerts(true))).toEqual(alerts);
    expect(new Set(withAlerts(false))).toEqual(alerts);
  });
});

describe('deploy/kubernetes/monitoring', () => {
  const component = read(`${KUBERNETES}/monitoring/kustomization.yaml`);
  const service =
    readYaml(`${KUBERNETES}/stand-alone.yaml`).find((one) => one.at('kind').text === 'Service') ??
    new Node(undefined);

  it('is a component whose files exist', () => {
    expect(component.at('kind').text).toBe('Component');
    expect(component.at('resources').value).toEqual(['service-monitor.yaml', 'prometheus-rule.yaml']);
    const kinds = ['service-monitor.yaml', 'prometheus-rule.yaml', 'pod-monitor.yaml'].map((file) => {
      const resource = read(`${KUBERNETES}/monitoring/${file}`);
      return [resource.at('apiVersion').text, resource.at('kind').text];
    });
    expect(kinds).toEqual([
      ['monitoring.coreos.com/v1', 'ServiceMonitor'],
      ['monitoring.coreos.com/v1', 'PrometheusRule'],
      ['monitoring.coreos.com/v1', 'PodMonitor'],
    ]);
  });

  it('has the rules of deploy/prometheus', () => {
    const resource = read(`${KUBERNETES}/monitoring/prometheus-rule.yaml`);
    expect(resource.at('spec').value).toEqual(read(RULES).value);
  });

  it('scrapes /metrics of the service that stand-alone.yaml has, at a port that it has', () => {
    const spec = read(`${KUBERNETES}/monitoring/service-monitor.yaml`).at('spec');
    expect(service.at('metadata', 'labels').value).toEqual(spec.at('selector', 'matchLabels').value);
    const [endpoint = new Node(undefined)] = spec.at('endpoints').items;
    expect(endpoint.at('path').text).toBe('/metrics');
    expect(service.at('spec', 'ports').named(endpoint.at('port').text).at('port').value).toBe(3000);
    expectTokenOf(endpoint);
  });

  it('scrapes the pods of sidecar.yaml at the port of pgkeep', () => {
    const spec = read(`${KUBERNETES}/monitoring/pod-monitor.yaml`).at('spec');
    const pod = read(`${KUBERNETES}/sidecar.yaml`).at('spec', 'template');
    expect(pod.at('metadata', 'labels').value).toEqual(spec.at('selector', 'matchLabels').value);
    const [endpoint = new Node(undefined)] = spec.at('podMetricsEndpoints').items;
    const ports = pod.at('spec', 'containers').named('pgkeep').at('ports');
    expect(ports.named(endpoint.at('port').text).at('containerPort').value).toBe(3001);
    expectTokenOf(endpoint);
  });

  it('gives stand-alone.yaml the token that Prometheus sends, as a file', () => {
    const settings = settingsWithComponent('monitoring', { 'metrics-token': 'e'.repeat(64) });
    expect(settings.metrics).toMatchObject({ token: 'e'.repeat(64), isPublic: false });
  });

  /** The key of the secret that the component's comment creates. */
  function expectTokenOf(endpoint: Node): void {
    expect(endpoint.at('authorization').value).toEqual({
      type: 'Bearer',
      credentials: { name: 'pgkeep', key: 'metrics-token' },
    });
    expect(readFileSync(`${KUBERNETES}/monitoring/kustomization.yaml`, 'utf8')).toContain(
      '--from-file=metrics-token',
    );
  }
});
