import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTarget, markdownBlocks } from '../view/markdown.js';

// The first barrier: what the parser lets out. The second, DOMPurify, is tested in a real browser.
const html = (text) => markdownBlocks(text).map((block) => block.html()).join('');

test('raw HTML comes out as text', () => {
  for (const raw of ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', 'a <b onclick=x>b</b>', '<svg/onload=alert(1)>', '<style>*{}</style>']) {
    assert.doesNotMatch(html(raw), /<(?:script|img|b|svg|style)/i, raw);
  }
});

test('links lead to http, https and mailto only', () => {
  for (const href of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', '/relative', '//host/x', 'java\tscript:x']) {
    assert.doesNotMatch(html(`[x](<${href}>)`), /<a/, href);
    assert.equal(linkTarget(href), undefined, href);
  }
  assert.match(html('[x](https://example.com/a?b=1&c=2)'), /<a href="https:\/\/example\.com\/a\?b=1&#38;c=2">/);
});

test('an address in disguise is no link', () => {
  assert.equal(linkTarget('https://bank.example@elsewhere.example/'), undefined);
});

test('a picture becomes a link: nothing is loaded from where the model says', () => {
  assert.doesNotMatch(html('![map](https://example.com/x.png)'), /<img/);
});

test('tables, code and task lists come out', () => {
  assert.match(html('| a | b |\n|---|---|\n| 1 | 2 |'), /<table>[^]*<td>1<\/td>/);
  assert.match(html('```js\nlet a = "<b>";\n```'), /<pre><code[^>]*>let a = &quot;&lt;b&gt;&quot;;/);
  assert.match(html('- [x] done'), /☑ done/);
});

test('headings begin at level 3 and leave none out', () => {
  assert.match(html('## a\n\n#### b\n\n## c'), /<h3>a<\/h3>[^]*<h4>b<\/h4>[^]*<h3>c<\/h3>/);
  assert.match(html('# a\n\n### b'), /<h3>a<\/h3>[^]*<h4>b<\/h4>/);
});

test('while a text grows only its last blocks change', () => {
  const before = markdownBlocks('# Title\n\nFirst paragraph.\n\nSecond par');
  const after = markdownBlocks('# Title\n\nFirst paragraph.\n\nSecond paragraph.\n\n- item');
  assert.equal(before.length, 3);
  assert.deepEqual(after.slice(0, 2).map(({ source }) => source), before.slice(0, 2).map(({ source }) => source));
});
