import type { Choice, MigrationState } from './resolve.types.js';

const DEPLOY = 'npx pgkeep migrate deploy';

/** What to choose from, the likeliest first. Pure. */
export function choicesOf({
  migration,
  state,
  verdict,
  isHere,
}: Pick<MigrationState, 'migration' | 'state' | 'verdict' | 'isHere'>): Choice[] {
  const back = `npx pgkeep migrate resolve --rolled-back ${migration}`;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (state === 'unknown') {
    return [
      { command: `git log --all --oneline -- '*/${migration}/*'`, when: 'shows the build that has it' },
    ];
  }
  if (state === 'rolled back') {
    return verdict === 'all' && isHere
      ? [{ command: applied, when: 'all of it is there, so a deploy would fail' }]
      : [{ command: DEPLOY, when: 'applies it again; or take its directory away' }];
  }
  if (state !== 'failed') return [];
  if (!isHere) return [{ command: back, when: 'when nothing of it is there' }];
  switch (verdict) {
    case 'nothing':
      return [{ command: back, when: 'then mend it, and deploy it again' }];
    case 'all':
      return [{ command: applied, when: 'all of it is there' }];
    case 'some':
      return [
        { command: back, when: 'after you took back by hand what is there' },
        { command: applied, when: 'after you made by hand what is not' },
      ];
    default:
      return [
        { command: back, when: 'when nothing of it is there, or it was taken back by hand' },
        { command: applied, when: 'when all of it is there' },
      ];
  }
}
