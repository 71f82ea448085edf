import { asksForAction, factsOf, listedAlerts, sqlLines, titleOf } from './notice-text.js';
import type { Notice } from './notifier.types.js';

const COLORS = { resolved: 0x17_72_4a, critical: 0xb3_26_1e, warning: 0x8a_53_00 } as const;
const LONGEST_DESCRIPTION = 4000;
const LONGEST_TITLE = 256;

/** Returns a message of Discord's webhooks. It mentions no role and no user, whatever a name contains. */
export function discordBody(notice: Notice): object {
  const [alert, ...others] = notice.alerts;
  const isMany = others.length > 0;
  const title = titleOf(notice);
  const isAsking = asksForAction(notice) && !isMany;
  const parts = [
    ...(title.length > LONGEST_TITLE ? [escapeMarkdown(title)] : []),
    ...(isMany ? listedAlerts(notice).map(escapeMarkdown) : []),
    ...(isAsking ? [escapeMarkdown(alert.remedy)] : []),
    ...(isAsking && alert.sql !== null ? [codeBlock(sqlLines(alert.sql))] : []),
    ...(isMany ? [] : factsOf(notice, alert).map(({ label, value }) => escapeMarkdown(`${label}: ${value}`))),
  ];
  return {
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: escapeMarkdown(title).slice(0, LONGEST_TITLE),
        description: parts.join('\n').slice(0, LONGEST_DESCRIPTION),
        ...(notice.link !== null && { url: notice.link }),
        color: notice.event === 'resolved' ? COLORS.resolved : COLORS[alert.severity],
      },
    ],
  };
}

/** A zero-width space: it parts what would be read as a link or as the end of a code block. */
const GAP = '\u200B';

function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\*_~`|>#[\]()<@]/g, String.raw`\$&`).replaceAll('://', `:${GAP}//`);
}

function codeBlock(text: string): string {
  return `\`\`\`sql\n${text.replaceAll('`', `\`${GAP}`)}\n\`\`\``;
}
