import { asksForAction, factsOf, listedAlerts, sqlLines, titleOf } from './notice-text.js';
import type { Notice } from './notifier.types.js';

/**
 * Returns a message of Teams' workflows: an Adaptive Card 1.4. Every text is a `TextRun`, which knows no Markdown, so a
 * name cannot become a link or a mention.
 */
export function teamsBody(notice: Notice): object {
  const [alert, ...others] = notice.alerts;
  const isMany = others.length > 0;
  const isAsking = asksForAction(notice) && !isMany;
  const body = [
    paragraph(titleOf(notice), { size: 'Large', weight: 'Bolder', color: colorOf(notice) }),
    ...(isMany ? listedAlerts(notice).map((line) => paragraph(line)) : []),
    ...(isAsking ? [paragraph(alert.remedy)] : []),
    ...(isAsking && alert.sql !== null
      ? sqlLines(alert.sql)
          .split('\n')
          .map((line) => paragraph(line, { fontType: 'Monospace' }))
      : []),
    ...(isMany
      ? []
      : factsOf(notice, alert).map(({ label, value }) =>
          paragraph(`${label}: ${value}`, { size: 'Small', isSubtle: true }),
        )),
  ];
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          type: 'AdaptiveCard',
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          version: '1.4',
          body,
        },
      },
    ],
  };
}

function paragraph(text: string, style: Readonly<Record<string, string | boolean>> = {}): object {
  return { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, ...style }] };
}

function colorOf({ event, alerts }: Notice): string {
  if (event === 'resolved') return 'Good';
  return alerts[0].severity === 'critical' ? 'Attention' : 'Warning';
}
