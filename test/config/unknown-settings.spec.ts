import { expect, it } from '@jest/globals';
import { unknownSettings } from '../../src/config/settings-list.js';

it('reports misspelled settings with the nearest name, and nothing else', () => {
  expect(
    unknownSettings({
      BACKUP_ENABLD: 'true',
      READINESS_REFRESH: '1',
      BACKUP_FROBNICATE_EVERYTHING: '1',
      BACKUP_RETENTION_DAYS_FILE: '/run/days',
      DATABASE_URL: 'postgresql://h/db',
      HOME: '/root',
    }),
  ).toEqual([
    'BACKUP_ENABLD is not a setting of pgkeep and is ignored: did you mean BACKUP_ENABLED?',
    'BACKUP_FROBNICATE_EVERYTHING is not a setting of pgkeep and is ignored: this version has no setting of that name.',
    'READINESS_REFRESH is not a setting of pgkeep and is ignored: did you mean READINESS_REFRESH_MS?',
  ]);
});
