import { counted } from '../core/text.js';
import type { EmergencyContact } from '../config/alert-receivers.js';
import type { AttentionItem, Overview } from '../overview/overview.types.js';
import { html, NOTHING, prose, type Html } from './html.js';
import { icon } from './icons.js';
import { durationText, exactTime } from './times.js';
import { section, type View } from './view.js';

const WORDS: Readonly<Record<AttentionItem['severity'], string>> = {
  critical: 'Act now',
  warning: 'Act soon',
  info: 'Worth knowing',
};

/** Those that are not silenced and need an action. */
function acute({ attention }: Overview): AttentionItem[] {
  return attention.filter(({ severity, silencedUntil }) => severity !== 'info' && silencedUntil === null);
}

/** Answers "does anything need attention?": the worst in a sentence. */
export function attentionCard(overview: Overview): Html {
  const items = acute(overview);
  const [worst] = items;
  const mark = worst?.severity ?? (overview.codes === 0 ? 'unknown' : 'ok');
  const rest = items.length - 1;
  return html`<section class="hero ${mark}" aria-labelledby="worst">
    <div class="headline">
      ${icon(mark)}
      <div>
        <h2 id="worst">
          ${worst?.text ?? (overview.codes === 0 ? 'Nothing is known yet' : 'Nothing needs attention')}
        </h2>
        <p>
          ${
            worst
              ? html`${WORDS[worst.severity]}.
                ${rest === 0 ? NOTHING : html`<a href="#attention">${counted(rest, 'other thing needs', 'other things need')} attention</a>.`}`
              : overview.codes === 0
                ? 'The first sample is being taken.'
                : `${overview.codes} things were looked for.`
          }
        </p>
        ${worst ? html`<p>${prose(worst.remedy)}</p>` : NOTHING}
      </div>
    </div>
  </section>`;
}

/** Lists what needs attention, each with what to do about it; what is silenced or only worth knowing is folded. */
export function attentionSection({ overview, now, viewer }: View): Html {
  const shown = acute(overview);
  const minor = overview.attention.filter(
    ({ severity, silencedUntil }) => severity === 'info' && silencedUntil === null,
  );
  const silenced = overview.attention.filter(({ silencedUntil }) => silencedUntil !== null);
  const list = (items: readonly AttentionItem[]): Html =>
    html`<ul class="items">
      ${items.map((item) => attentionItem(item, now, viewer.mayAct))}
    </ul>`;
  const folded = (id: string, title: string, items: readonly AttentionItem[]): Html =>
    items.length === 0
      ? NOTHING
      : html`<details class="folded" id="${id}">
          <summary>${title}</summary>
          ${list(items)}
        </details>`;
  const calm = overview.codes === 0 ? 'Not known yet' : 'Nothing';
  return section({
    id: 'attention',
    title: 'Needs attention',
    isWide: true,
    isOpen: shown.length + minor.length > 0,
    aside: html`<span class="count">${shown.length}</span>`,
    summary: shown.length === 0 ? calm : counted(shown.length, 'thing'),
    body: html`${shown.length > 0 ? list(shown) : html`<p class="calm">${icon(overview.codes === 0 ? 'unknown' : 'ok')} ${calm}.</p>`}${folded('minor', counted(minor.length, 'thing worth knowing', 'things worth knowing'), minor)}${folded('silenced', counted(silenced.length, 'silenced alert'), silenced)}`,
  });
}

/** Returns an id that is the same in the next snapshot, so that what was opened stays open. */
function idOf({ code, subject }: AttentionItem): string {
  return `item-${code}-${subject}`.replaceAll(/[^\w-]/g, '-');
}

function attentionItem(item: AttentionItem, now: Date, mayAct: boolean): Html {
  const { severity, text, since, remedy, sql, code, subject, silencedUntil } = item;
  const age = since === null ? NOTHING : html` · for ${durationText(now.getTime() - Date.parse(since))}`;
  return html`<li class="${severity}">
    <details id="${idOf(item)}">
      <summary>
        ${icon(severity)}<span class="say">${text}</span
        ><span class="meta"><b>${WORDS[severity]}</b>${age}</span>
      </summary>
      <div class="help">
        <p>${prose(remedy)}</p>
        ${
          sql === null
            ? NOTHING
            : html`<p class="soft">What would fix it. pgkeep does not run it:</p>
                <pre tabindex="0"><code>${sql}</code></pre>`
        }
        <p class="soft">
          <code>${code}</code
          >${since === null ? NOTHING : html` · since ${exactTime(since)} UTC`}${silencedUntil === null ? NOTHING : html` · silenced until ${exactTime(silencedUntil)} UTC`}
        </p>
        ${mayAct && silencedUntil === null ? silenceForm(code, subject) : NOTHING}
      </div>
    </details>
  </li>`;
}

function silenceForm(code: string, subject: string): Html {
  const id = `because-${code}-${subject}`.replaceAll(/[^\w-]/g, '-');
  return html`<form method="post" action="silence" class="inline">
    <input type="hidden" name="code" value="${code}" /><input
      type="hidden"
      name="subject"
      value="${subject}"
    /><label for="${id}">Silence its alert for</label>
    <select name="hours" aria-label="Duration">
      <option value="2">2 hours</option>
      <option value="24">1 day</option>
      <option value="168">1 week</option>
    </select>
    <input id="${id}" name="because" required maxlength="200" placeholder="because …" aria-label="Reason" />
    <button>Silence</button>
  </form>`;
}

/** Lists whom to call. */
export function contactsSection(contacts: readonly EmergencyContact[], isOpen: boolean): Html {
  if (contacts.length === 0) return NOTHING;
  return section({
    id: 'contacts',
    title: 'Emergency contacts',
    isWide: true,
    isOpen: true,
    summary: isOpen ? '' : counted(contacts.length, 'situation'),
    body: html`<ul class="contacts">
      ${contacts.map(({ situation, action, contact }) => html`<li><b>${situation}</b><span>${action}</span><span class="soft">${contact}</span></li>`)}
    </ul>`,
  });
}
