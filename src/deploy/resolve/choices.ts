import type { Choice, MigrationState } from './resolve.types.js';

const DEPLOY = 'npx pgkeep migrate deploy';

/** What to choose from, the likeliest first. Pure. */
export function choicesOf(
  state: Pick<MigrationState, 'migration' | 'state' | 'verdict' | 'isHere' | 'uncertain' | 'invalid'>,
): Choice[] {
  const { migration, verdict, isHere } = state;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (state.state === 'unknown') {
    return [
      { command: `git log --all --oneline -- '*/${migration}/*'`, when: 'shows the build that has it' },
    ];
  }
  const drops = state.invalid.map((index) => ({
    command: `DROP INDEX CONCURRENTLY ${index};`,
    when: 'first, in psql: the index is not valid',
  }));
  if (state.state === 'rolled back') {
    return verdict === 'all' && isHere && drops.length === 0
      ? [{ command: applied, when: 'all of it is there, so a deploy would fail' }]
      : [...drops, { command: DEPLOY, when: 'applies it again; or take its directory away' }];
  }
  return state.state === 'failed' ? [...drops, ...marks(state)] : [];
}

function marks({
  migration,
  verdict,
  isHere,
  uncertain,
}: Pick<MigrationState, 'migration' | 'verdict' | 'isHere' | 'uncertain'>): Choice[] {
  const back = `npx pgkeep migrate resolve --rolled-back ${migration}`;
  const applied = `npx pgkeep migrate resolve --applied ${migration}`;
  if (!isHere) return [{ command: back, when: 'when nothing of it is there' }];
  const open = uncertain.length > 0;
  switch (verdict) {
    case 'nothing':
      return [{ command: back, when: 'then mend it, and deploy it again' }];
    case 'all':
      return open
        ? [
            { command: applied, when: 'when the uncertain statements were applied as well' },
            { command: `${back} --anyway`, when: 'after you undid all of it by hand' },
          ]
        : [{ command: applied, when: 'all of it is there' }];
    case 'some':
      return open
        ? [
            {
              command: back,
              when: 'after you undid what is there, and the uncertain statements that were applied',
            },
            {
              command: applied,
              when: 'after you applied what is missing, and the uncertain statements that were not applied',
            },
          ]
        : [
            { command: back, when: 'after you took back by hand what is there' },
            { command: applied, when: 'after you made by hand what is not' },
          ];
    default:
      return open
        ? [
            { command: `${back} --anyway`, when: 'when you know that no uncertain statement is applied' },
            { command: applied, when: 'after you made sure that all of it is applied' },
          ]
        : [
            { command: back, when: 'when nothing of it is there, or it was taken back by hand' },
            { command: applied, when: 'when all of it is there' },
          ];
  }
}
