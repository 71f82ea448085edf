import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { METRICS } from '../../src/metrics/metrics.service.js';
import { Node } from './deployment-file.js';

const FILE = 'deploy/grafana/pgkeep.json';
const dashboard = new Node(JSON.parse(readFileSync(FILE, 'utf8')));
const panels = dashboard.at('panels').items;
const shown = panels.filter((panel) => panel.at('type').text !== 'row');
const variables = dashboard.at('templating', 'list').items;
const LABELS = new Map<string, readonly string[]>(METRICS.map(({ name, labels }) => [name, labels]));
/** What Prometheus adds to each series. */
const OF_SCRAPE = ['job', 'instance'];

/** The expressions of a panel, with their legends. */
function targetsOf(panel: Node): { expression: string; legend: string }[] {
  return panel.at('targets').items.map((target) => ({
    expression: target.at('expr').text,
    legend: target.at('legendFormat').text,
  }));
}

function metricsIn(expression: string): string[] {
  return expression.match(/\bpgkeep_\w+/g) ?? [];
}

/** The labels that an expression selects or groups by, and that a legend shows. */
function labelsIn(text: string): string[] {
  const selected = [...text.matchAll(/\{([^{}]*)\}/g)].flatMap(([, inside = '']) =>
    [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  );
  const grouped = [...text.matchAll(/\b(?:by|without) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(/,\s*/),
  );
  const legend = [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
  return [...selected, ...grouped, ...legend];
}

describe('deploy/grafana/pgkeep.json', () => {
  it('is a dashboard of the classic model that names no data source of ours', () => {
    expect(dashboard.value).toMatchObject({ uid: 'pgkeep', title: 'pgkeep', schemaVersion: 39, version: 1 });
    expect(variables.map((variable) => variable.at('name').text)).toEqual([
      'datasource',
      'job',
      'database',
      'instance',
    ]);
    const sources = [...shown, ...shown.flatMap((panel) => panel.at('targets').items), ...variables.slice(1)];
    for (const one of sources)
      expect(one.at('datasource').value).toEqual({ type: 'prometheus', uid: '${datasource}' });
  });

  it('has panels with their own ids, side by side and never one over another', () => {
    const ids = panels.map((panel) => panel.at('id').value);
    expect(new Set(ids).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const panel of panels) {
      const [x, y, w, h] = ['x', 'y', 'w', 'h'].map((side) => Number(panel.at('gridPos', side).value));
      for (let column = x ?? 0; column < (x ?? 0) + (w ?? 0); column += 1) {
        for (let line = y ?? 0; line < (y ?? 0) + (h ?? 0); line += 1) {
          const cell = `${column},${line}`;
          expect([panel.at('title').text, cell, column < 24 && !taken.has(cell)]).toEqual([
            panel.at('title').text,
            cell,
            true,
          ]);
          taken.add(cell);
        }
      }
    }
  });

  it('uses metrics and labels that exist, of the chosen replicas only', () => {
    const expressions = shown.flatMap((panel) => targetsOf(panel));
    expect(expressions.length).toBeGreaterThan(30);
    for (const { expression, legend } of expressions) {
      const used = metricsIn(expression);
      expect([expression, used.filter((name) => !LABELS.has(name))]).toEqual([expression, []]);
      expect(used.length).toBeGreaterThan(0);
      const known = new Set([...OF_SCRAPE, ...used.flatMap((name) => LABELS.get(name) ?? [])]);
      const labels = labelsIn(`${expression} ${legend}`);
      expect([expression, labels.filter((label) => !known.has(label))]).toEqual([expression, []]);
      // Each selector has the filter; a counter is never shown as it is.
      expect(expression.match(/pgkeep_\w+\{job="\$job", instance=~"\$instance"/g)).toHaveLength(used.length);
      const counters = used.filter((name) => name.endsWith('_total'));
      expect(expression.match(/\b(?:rate|increase)\(pgkeep_\w+_total\{/g) ?? []).toHaveLength(
        counters.length,
      );
    }
    for (const variable of variables.slice(1)) {
      const query = variable.at('query', 'query').text;
      expect(metricsIn(query)).toEqual(['pgkeep_build_info']);
      expect(query).toBe(variable.at('definition').text);
    }
  });

  it('shows every metric that says something by itself', () => {
    const used = new Set(
      shown.flatMap((panel) => targetsOf(panel).flatMap(({ expression }) => metricsIn(expression))),
    );
    expect(METRICS.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([
      'pgkeep_build_info',
      'pgkeep_learned_timestamp_seconds',
      'pgkeep_erasure_overdue_rows',
      'pgkeep_backup_next_timestamp_seconds',
      'pgkeep_restore_test_ok',
      'pgkeep_job_running',
      'pgkeep_monitor_leader',
      'pgkeep_monitor_probes_unseen',
      'pgkeep_alerts',
      'pgkeep_alert_deliveries_total',
    ]);
  });
});
