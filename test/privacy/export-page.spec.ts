import { describe, expect, it } from '@jest/globals';
import { pagePrinter } from '../../src/privacy/export-page.js';
import type { ExportPart } from '../../src/privacy/read-export.js';

function pageOf(rows: readonly object[]): string {
  const print = pagePrinter();
  const parts: ExportPart[] = [
    {
      kind: 'begin',
      format: 'pgkeep-subject-export/1',
      subject: { model: 'Person', id: '<i>' },
      exportedAt: '2026-11-27T12:00:00.000Z',
    },
    { kind: 'model', model: 'Person', retained: undefined },
    { kind: 'rows', rows: rows.map((row) => JSON.stringify(row)) },
    { kind: 'model', model: 'DeviceToken', retained: 'a <law>' },
    { kind: 'end', madeBySubject: {}, retained: [], omitted: [] },
  ];
  return parts.map((part) => print(part)).join('');
}

/** The texts of the cells, as HTML. */
function cellsOf(page: string): string[] {
  return [...page.matchAll(/<(?:dd|td) dir="auto">(.*?)<\/(?:dd|td)>/gs)].map(([, cell = '']) => cell);
}

describe('the page of an export', () => {
  it('shows values as people read them, and no HTML of theirs', () => {
    const row = {
      name: '<b>"Ana" & co</b>',
      born: '2020-01-02',
      seen: '2026-03-04T05:06:07Z',
      isHappy: true,
      nothing: null,
      empty: '',
      tags: ['a', 'b'],
      none: [],
      json: { blood: '0+' },
    };
    expect(cellsOf(pageOf([row]))).toEqual([
      '&lt;b&gt;&quot;Ana&quot; &amp; co&lt;/b&gt;',
      '<span class="day">2020-01-02</span>',
      '2026-03-04 05:06:07 UTC',
      'yes',
      '–',
      '(empty)',
      'a, b',
      '–',
      '{&quot;blood&quot;:&quot;0+&quot;}',
    ]);
    const page = pageOf([row, row, row]);
    expect(cellsOf(page)).toHaveLength(27);
    expect(page).toContain('<h1>Person &lt;i&gt;</h1>');
    expect(page).toContain('<p class="note">Kept by law: a &lt;law&gt;.</p>\n<p>Nothing is stored.</p>');
  });

  it('cuts what is long, and says where the rest is', () => {
    const [photo, text, face] = cellsOf(
      pageOf([
        {
          photo: 'A'.repeat(5000),
          text: 'word '.repeat(1000),
          face: `${'x'.repeat(199)}👩${'y'.repeat(200)}`,
        },
      ]),
    );
    expect(photo).toBe(
      `${'A'.repeat(200)}<span class="more">… 4,800 more characters: see the file beside this page</span>`,
    );
    expect(text).toContain(
      '<span class="more">… 3,000 more characters: see the file beside this page</span>',
    );
    expect(face?.startsWith(`${'x'.repeat(199)}<span`)).toBe(true);
  });

  it('is one file that loads nothing, in the colors that the reader prefers', () => {
    const page = pageOf([{ id: 1 }]);
    expect(page).not.toMatch(/<script|<link|<img|url\(|https?:/i);
    expect(page).toContain('prefers-color-scheme: dark');
  });
});
