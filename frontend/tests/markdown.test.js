import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTarget, markdownBlocks, plainText } from '../view/markdown.js';

// The first barrier: the parser's output. The second, DOMPurify, is tested in a real browser.
const html = (text) => markdownBlocks(text).map((block) => block.html()).join('');

test('raw HTML becomes text', () => {
  for (const raw of ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', 'a <b onclick=x>b</b>', '<svg/onload=alert(1)>', '<style>*{}</style>']) {
    assert.doesNotMatch(html(raw), /<(?:script|img|b|svg|style)/i, raw);
  }
});

test('only http, https and mailto links are kept', () => {
  for (const href of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', '/relative', '//host/x', 'java\tscript:x']) {
    assert.doesNotMatch(html(`[x](<${href}>)`), /<a/, href);
    assert.equal(linkTarget(href), undefined, href);
  }
  assert.match(html('[x](https://example.com/a?b=1&c=2)'), /<a href="https:\/\/example\.com\/a\?b=1&#38;c=2">/);
});

test('a disguised address is not a link', () => {
  assert.equal(linkTarget('https://bank.example@elsewhere.example/'), undefined);
});

test('an image becomes a link, and nothing is loaded from its address', () => {
  assert.doesNotMatch(html('![map](https://example.com/x.png)'), /<img/);
});

test('tables, code and task lists are rendered', () => {
  assert.match(html('| a | b |\n|---|---|\n| 1 | 2 |'), /<table>[^]*<td>1<\/td>/);
  assert.match(html('```js\nlet a = "<b>";\n```'), /<pre><code[^>]*>let a = &quot;&lt;b&gt;&quot;;/);
  assert.match(html('- [x] done'), /☑ done/);
});

test('code is what the model wrote, however it is indented and quoted', () => {
  const code = `${' '.repeat(30)}- item\n${'> '.repeat(20)}quoted\n${'- '.repeat(20)}`;
  assert.equal(html(`\`\`\`\n${code}\n\`\`\``), `<pre><code>${code.replaceAll('>', '&gt;')}\n</code></pre>\n`);
});

test('quotations and lists are nested eight deep at most, and what is deeper is text', () => {
  for (const text of ['> '.repeat(200), '- '.repeat(200), '> 1. '.repeat(100), [...Array(200).keys()].map((depth) => `${'  '.repeat(depth)}- a\n`).join('')]) {
    let depth = 0;
    for (const [, ends] of html(`${text}deep`).matchAll(/<(\/?)(?:ul|ol|blockquote)/g)) {
      depth += ends ? -1 : 1;
      assert.ok(depth <= 8);
    }
    assert.match(html(`${text}deep`), /deep/);
  }
});

test('headings begin at level 3 and skip no level', () => {
  assert.match(html('## a\n\n#### b\n\n## c'), /<h3>a<\/h3>[^]*<h4>b<\/h4>[^]*<h3>c<\/h3>/);
  assert.match(html('# a\n\n### b'), /<h3>a<\/h3>[^]*<h4>b<\/h4>/);
});

test('a growing text changes only its last blocks', () => {
  const before = markdownBlocks('# Title\n\nFirst paragraph.\n\nSecond par');
  const after = markdownBlocks('# Title\n\nFirst paragraph.\n\nSecond paragraph.\n\n- item');
  assert.equal(before.length, 3);
  assert.deepEqual(after.slice(0, 2).map(({ source }) => source), before.slice(0, 2).map(({ source }) => source));
});

test('a formula keeps its source, until it is shown as one', () => {
  assert.equal(html('So \\( E = mc^2 \\) holds.'), '<p>So <var>\\( E = mc^2 \\)</var> holds.</p>\n');
  for (const own of ['\\[\na_1 + b\n- c\n= d\n\\]', '$$\n\\frac{a}{b}\n$$']) {
    assert.equal(html(`Before\n\n${own}\n\nafter`), `<p>Before</p>\n<p><samp>${own}</samp></p><p>after</p>\n`);
  }
  assert.equal(html('Result:\n$$x < y$$'), '<p>Result:<br><samp>$$x &#60; y$$</samp></p>\n');
  assert.equal(plainText('\\(x\\) and **y**'), '\\(x\\) and y');
});

test('prices and code are no formulas', () => {
  assert.doesNotMatch(html('It costs $5 or $$6, `\\(x\\)` and\n\n    \\[y\\]'), /<var|<samp/);
});

test('formulas that do not end cost no time', () => {
  const text = '\\('.repeat(20_000);
  assert.match(html(text), /^<p>/);
});
