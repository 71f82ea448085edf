// The pages work without this script. It keeps them current, reads values out of charts, and copies statements.
const main = document.querySelector('main');
const live = main.dataset.live;
const icon = document.querySelector('link[rel="icon"]');
const PERIOD_MS = 5000;

let etag = '';
let failures = 0;

function ago(ms) {
  const seconds = Math.abs(ms) / 1000;
  const [count, unit] =
    seconds < 90
      ? [seconds, 'second']
      : seconds < 5400
        ? [seconds / 60, 'minute']
        : seconds < 129600
          ? [seconds / 3600, 'hour']
          : [seconds / 86400, 'day'];
  const rounded = Math.round(count);
  return `${rounded} ${unit}${rounded === 1 ? '' : 's'}`;
}

function updateTimes() {
  for (const time of document.querySelectorAll('time[data-relative], time[data-age]')) {
    const ms = Date.now() - Date.parse(time.dateTime);
    if (Math.abs(ms) > 75 * 86400000) continue;
    const text = ms >= 0 ? `${ago(ms)} ago` : `in ${ago(ms)}`;
    time.textContent = 'age' in time.dataset ? `${time.dateTime.slice(11, 19)}, ${text}` : text;
  }
}

async function copy(block, button) {
  await navigator.clipboard.writeText(block.querySelector('code').textContent);
  button.textContent = 'Copied';
}

function addCopyButtons() {
  if (!navigator.clipboard) return;
  for (const block of main.querySelectorAll('pre:not(:has(.copy))')) {
    const button = document.createElement('button');
    Object.assign(button, { className: 'copy', type: 'button', textContent: 'Copy' });
    button.addEventListener('click', () => {
      void copy(block, button);
    });
    block.append(button);
  }
}

// A chart takes the focus: the arrow keys go from value to value, and its note says the one that is chosen.
function addReadouts() {
  for (const chart of main.querySelectorAll('.chart')) {
    const plot = chart.querySelector('.plot');
    const values = [...plot.querySelectorAll('.hits rect')];
    const note = chart.querySelector('.note');
    const words = note.textContent;
    let chosen = values.length;
    if (values.length === 0) continue;
    const choose = (index) => {
      values[chosen]?.classList.remove('chosen');
      chosen = Math.max(0, Math.min(values.length - 1, index));
      values[chosen].classList.add('chosen');
      note.textContent = values[chosen].textContent;
    };
    const leave = () => {
      values[chosen]?.classList.remove('chosen');
      chosen = values.length;
      note.textContent = words;
    };
    plot.setAttribute('tabindex', '0');
    note.setAttribute('aria-live', 'polite');
    plot.addEventListener('pointermove', ({ target }) => {
      const index = values.indexOf(target.closest('rect'));
      if (index >= 0) choose(index);
    });
    plot.addEventListener('pointerleave', leave);
    plot.addEventListener('blur', leave);
    plot.addEventListener('keydown', (event) => {
      const steps = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: values.length - 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      choose(steps[event.key]);
    });
  }
}

function showTitle(title) {
  document.title = title;
  icon.href = title.startsWith('NOT SAFE') ? icon.dataset.bad : icon.dataset.good;
}

function dress() {
  updateTimes();
  addCopyButtons();
  addReadouts();
}

// What a person reads, types or points at stays until it is left.
function isBusy() {
  return (
    document.hidden ||
    main.querySelector('form :focus, pre:focus, .plot:focus, .chart:hover .chosen') !== null ||
    !getSelection().isCollapsed
  );
}

function replace(text) {
  const states = [...main.querySelectorAll('details')].map((details) => [details.id, details.open]);
  const focused = document.activeElement?.closest('main details')?.id;
  main.innerHTML = text;
  for (const [id, isOpen] of states) {
    const details = document.getElementById(id);
    if (details) details.open = isOpen;
  }
  if (focused) document.getElementById(focused)?.querySelector('summary')?.focus();
  dress();
}

async function refresh() {
  updateTimes();
  if (!live || isBusy()) return;
  try {
    const answer = await fetch(live, {
      headers: { 'if-none-match': etag },
      signal: AbortSignal.timeout(8000),
    });
    if (answer.status === 401) return location.reload();
    if (answer.status >= 500) throw new Error('no answer');
    failures = 0;
    if (answer.status !== 200) return;
    etag = answer.headers.get('etag') ?? '';
    showTitle(decodeURIComponent(answer.headers.get('x-title') ?? document.title));
    replace(await answer.text());
  } catch {
    failures += 1;
    if (failures < 3) return;
    const fresh = main.querySelector('.fresh');
    fresh?.classList.add('stale');
    fresh?.replaceChildren('pgkeep does not answer: this page is old');
  }
}

// A link on another site's page opens this page without the session, although there may be one.
async function openIfSignedIn() {
  const answer = await fetch('ui/live', { redirect: 'manual' });
  if (answer.status === 200) location.replace('overview');
}

if ('door' in main.dataset && document.referrer !== '' && !document.referrer.startsWith(location.origin)) {
  void openIfSignedIn();
}

dress();
setInterval(() => void refresh(), PERIOD_MS);
document.addEventListener('visibilitychange', () => void refresh());
