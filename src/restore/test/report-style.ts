/** The report's style. It loads no fonts, scripts or images, prints on A4, and follows the reader's color scheme. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --ink: #1d1f23; --soft: #62666f; --line: #e0ddd6; --panel: #f5f3ee;
  --good: #1a7a48; --good-soft: #e4f3ea; --bad: #b3261e; --bad-soft: #fbe9e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e8e6e1; --soft: #a0a3aa; --line: #33363c; --panel: #1e2125;
    --good: #6fcf97; --good-soft: #16301f; --bad: #ff8a80; --bad-soft: #3a1b19;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 3rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
header p, .soft { color: var(--soft); }
header p { margin: 0; letter-spacing: .02em; }
h1 { margin: .2rem 0 1.6rem; font-size: 1.7rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
h2 { margin: 2.6rem 0 .7rem; font-size: 1.1rem; font-weight: 650; }
.verdict { padding: 1.1rem 1.4rem; border-radius: .6rem; border-left: .4rem solid; }
.verdict strong { display: block; font-size: 1.5rem; font-weight: 700; letter-spacing: -.01em; }
.passed { background: var(--good-soft); border-color: var(--good); }
.failed { background: var(--bad-soft); border-color: var(--bad); }
.passed strong, .yes { color: var(--good); }
.failed strong, .no { color: var(--bad); }
.verdict span { color: var(--ink); }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; margin-top: 1.6rem;
  background: var(--line); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
@media (max-width: 44rem) { .facts { grid-template-columns: repeat(2, 1fr); } body { padding: 1.5rem 1rem; } }
.facts div { background: var(--panel); padding: .8rem 1rem; }
.facts dt { color: var(--soft); font-size: .82rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; color: var(--soft); font-size: .82rem; font-weight: 500; }
th, td { padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:last-child, th:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
.mark { width: 5.5rem; font-weight: 650; white-space: nowrap; }
th.mark { font-weight: 500; }
.contents { width: 8rem; padding-left: 1.2rem; }
.name { width: 8.5rem; }
tr.fault td { background: var(--bad-soft); }
code, .hash { font: .86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: .6rem 0; padding: .8rem 1rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: .5rem; white-space: pre-wrap; font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.pairs th { width: 13rem; font-size: .95rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .86rem; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #f6f6f6;
    --good: #1a7a48; --good-soft: #eef7f1; --bad: #b3261e; --bad-soft: #fdf0ee; }
  @page { margin: 16mm; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  thead { display: table-header-group; }
  tr, .verdict, .facts, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}`;
