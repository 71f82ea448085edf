import { counted } from '../core/text.js';
import type { AuditLogState } from '../overview/overview.types.js';
import { html, NOTHING, type Html } from './html.js';
import { icon } from './icons.js';
import { exactTime, relativeTime } from './times.js';
import { freshness, section, table, type View } from './view.js';

/** Shows the newest actions. */
export function auditLogSection({ overview, now }: View): Html {
  const { value } = overview.auditLog;
  const entries = value?.entries.toReversed() ?? [];
  const [newest] = entries;
  return section({
    id: 'audit-log',
    title: 'Audit log',
    href: 'audit-log',
    isOpen: value?.chain?.verdict === 'broken',
    summary: newest
      ? html`${newest.action} ${relativeTime(newest.recordedAt, now)}`
      : value === null
        ? 'Not known'
        : 'No entry',
    body: html`${freshness(overview.auditLog)}
      <ol class="entries">
        ${entries
          .slice(0, 6)
          .map(
            ({ action, subject, recordedAt, actor }) =>
              html`<li>
                <b>${action}</b> ${subject}<span class="soft"
                  >${relativeTime(recordedAt, now)} by ${actor}</span
                >
              </li>`,
          )}
      </ol>
      ${value ? chainText(value) : NOTHING}`,
  });
}

function chainText({ chain, total }: AuditLogState): Html {
  if (chain === null) return html`<p class="soft">${counted(total, 'entry')}</p>`;
  if (chain.verdict === 'whole')
    return html`<p class="calm">${icon('ok')} The chain of ${counted(chain.entries, 'entry')} is intact.</p>`;
  return html`<div class="bad">
    ${icon('critical')} The chain is broken:
    <ul>
      ${chain.findings.map(({ text }) => html`<li>${text}</li>`)}
    </ul>
  </div>`;
}

/** The page of the audit log. */
export function auditLogPage({ overview }: View): Html {
  const { value } = overview.auditLog;
  return html`<h1>Audit log</h1>
    ${freshness(overview.auditLog)}${
      value === null
        ? NOTHING
        : html`<section class="card wide">
            ${chainText(value)}${table({
              caption: `The newest ${value.entries.length} of ${counted(value.total, 'entry')}`,
              className: 'stack',
              columns: [{ number: 'Entry' }, 'Time (UTC)', 'Action', 'Subject', 'Who', 'Role', 'Details'],
              rows: value.entries
                .toReversed()
                .map((entry) => [
                  entry.seq,
                  exactTime(entry.recordedAt),
                  html`<b>${entry.action}</b>`,
                  entry.subject,
                  entry.actor,
                  entry.role,
                  details(entry),
                ]),
            })}
          </section>`
    }`;
}

function details({ seq, details: recorded }: AuditLogState['entries'][number]): Html {
  const text = JSON.stringify(recorded);
  if (text === undefined || text === '{}') return html`–`;
  return html`<details id="entry-${seq}">
    <summary>show</summary>
    <code>${text}</code>
  </details>`;
}
