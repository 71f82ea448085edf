import { defineProbe } from '../probe.js';

interface Row {
  readonly name: string;
}

const CODES = {
  SETTING_DANGEROUS: {
    meaning: 'A setting of the server is off that protects the data or keeps it usable.',
    remedy: 'Switch it on.',
  },
} as const;

/** What may happen while a setting is off. */
const RISKS: Readonly<Record<string, string>> = {
  autovacuum: 'dead rows stay, and transaction numbers run out',
  fsync: 'a crash can destroy the database',
  full_page_writes: 'a crash can destroy pages',
  track_counts: 'autovacuum does not know what to do',
};

/** Finds settings of the server that endanger the data. */
export const serverSettings = defineProbe<Row, keyof typeof CODES>({
  name: 'server-settings',
  tier: 'hour',
  cost: '1 ms',
  codes: CODES,
  sql: () => `
    SELECT s.name FROM pg_catalog.pg_settings s
     WHERE s.name IN (${Object.keys(RISKS)
       .map((name) => `'${name}'`)
       .join(', ')}) AND s.setting = 'off' ORDER BY 1`,
  judge: (rows) => ({
    findings: rows.map(({ name }) => ({
      code: 'SETTING_DANGEROUS',
      severity: name === 'fsync' ? 'critical' : 'warning',
      subject: name,
      text: `${name} is off: ${RISKS[name] ?? ''}`,
      sql: `ALTER SYSTEM SET ${name} = on;\nSELECT pg_reload_conf();`,
    })),
  }),
});
