import type { WaiverRule } from '../rule.js';

export const waiverWithoutReason: WaiverRule = {
  id: 'waiver-without-reason',
  severity: 'error',
  summary: 'A waiver without a reason',
  breaks: 'The waiver has no effect.',
  instead: '`-- pgkeep:allow RULE because REASON`',
  cannotBeWaived: true,
  checkWaiver: ({ rules, reason, index }) =>
    reason === ''
      ? [
          {
            index,
            message: 'This waiver has no reason, so it has no effect.',
            rewrite: `-- pgkeep:allow ${rules.join(', ') || 'RULE'} because …`,
          },
        ]
      : [],
};

export const unusedWaiver: WaiverRule = {
  id: 'unused-waiver',
  severity: 'warning',
  summary: 'A waiver that matches no finding, or names an unknown rule',
  breaks: 'It may hide a later finding.',
  instead: 'Remove it.',
  cannotBeWaived: true,
  checkWaiver: ({ reason, index }, unused) =>
    reason === ''
      ? []
      : unused.map((why) => ({
          index,
          message: `This waiver has no effect: ${why}.`,
          rewrite: '-- Remove it.',
        })),
};
