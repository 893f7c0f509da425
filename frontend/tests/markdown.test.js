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

test('a mail whose receivers or text are not shown is not a link', () => {
  for (const href of ['mailto:?to=eve@elsewhere.example', 'mailto:hr@company.example?bcc=eve@elsewhere.example', 'mailto:hr@company.example?body=x']) {
    assert.equal(linkTarget(href), undefined, href);
  }
  assert.ok(linkTarget('mailto:hr@company.example'));
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
  assert.equal(html('So $$a_1 + a_2$$ and $$b$$.'), '<p>So <samp>$$a_1 + a_2$$</samp> and <samp>$$b$$</samp>.</p>\n');
});

test('prices and code are no formulas', () => {
  assert.doesNotMatch(html('Seats are $$60 or $$70'), /<samp/);
  assert.doesNotMatch(html('It costs $5 or $$6, `\\(x\\)` and\n\n    \\[y\\]'), /<var|<samp/);
});

test('formulas that do not end cost no time', () => {
  const text = '\\('.repeat(20_000);
  assert.match(html(text), /^<p>/);
});

const em = (text) => html(text).trim().replace(/^<p>|<\/p>$/g, '');

test('emphasis ends where Chinese ends it, without spaces around it', () => {
  assert.equal(em('**重要**。'), '<strong>重要</strong>。');
  assert.equal(em('**重要。**后面'), '<strong>重要。</strong>后面');
  assert.equal(em('请注意**“本周五”**之前'), '请注意<strong>“本周五”</strong>之前');
  assert.equal(em('这是**（可选）**的'), '这是<strong>（可选）</strong>的');
  assert.equal(em('共**100%**的人，**两次。**再**一次！**'), '共<strong>100%</strong>的人，<strong>两次。</strong>再<strong>一次！</strong>');
  assert.equal(em('前*《书》*后，~~旧价：~~新价'), '前<em>《书》</em>后，<del>旧价：</del>新价');
  assert.equal(em('***全部。***之后'), '<em><strong>全部。</strong></em>之后');
  assert.equal(em('日本語の**「太字」**です'), '日本語の<strong>「太字」</strong>です');
});

test('elsewhere emphasis begins and ends as in CommonMark', () => {
  assert.equal(em('a **b** c, 2 * 3 * 4, snake_case_name, "**x.**y"'), 'a <strong>b</strong> c, 2 * 3 * 4, snake_case_name, &quot;**x.**y&quot;');
  assert.equal(em('**甲，*乙*丙**'), '<strong>甲，<em>乙</em>丙</strong>');
  assert.equal(em('一个 * 星号，另一个 * 星号'), '一个 * 星号，另一个 * 星号');
  assert.equal(em('`**代码。**后`'), '<code>**代码。**后</code>');
});

test('an address ends where Chinese punctuation begins', () => {
  for (const after of ['，请查看', '。', '）和', '、', '；', '”的', '》', '！', '…']) {
    assert.equal(em(`见 https://example.com/a?b=1${after}`), `见 <a href="https://example.com/a?b=1">https://example.com/a?b=1</a>${after}`);
  }
  assert.equal(em('见（https://example.com）。'), '见（<a href="https://example.com/">https://example.com</a>）。');
  assert.match(em('https://example.com/wiki/杭州 很好'), /<a href="https:\/\/example.com\/wiki\/%E6%9D%AD%E5%B7%9E">/);
  assert.equal(em('[文档](https://example.com/)。'), '<a href="https://example.com/">文档</a>。');
});

test('footnotes are numbered as the text names them, and follow it', () => {
  const text = 'One[^b] and two[^a], again[^b].\n\n[^a]: The **first**\nin two lines.\n[^b]: The second <b>.\n\nMore.';
  assert.equal(html(text), '<p>One<sup>1</sup> and two<sup>2</sup>, again<sup>1</sup>.</p>\n<p>More.</p>\n'
    + '<ol><li>The second &#60;b&#62;.</li><li>The <strong>first</strong><br>in two lines.</li></ol>');
  assert.deepEqual(markdownBlocks(text).map(({ notes = false }) => notes), [false, false, true]);
  assert.match(plainText(text), /^One and two, again\.\nThe first/);
  assert.equal(html('合计[^1]。\n\n[^1]: 含税。'), '<p>合计<sup>1</sup>。</p>\n<ol><li>含税。</li></ol>');
});

test('a name without a note, and a note that nothing names, stay as they were written', () => {
  assert.equal(html('See[^1].'), '<p>See[^1].</p>\n');
  assert.equal(html('Text.\n\n[^1]: Nobody names it.'), '<p>Text.</p>\n<p>[^1]: Nobody names it.</p>');
  assert.equal(html('`[^1]`\n\n```\n[^1]: code\n```'), '<p><code>[^1]</code></p>\n<pre><code>[^1]: code\n</code></pre>\n');
});

test('a note that arrives after its name changes the block that names it', () => {
  const [before] = markdownBlocks('See[^1].\n\n');
  const [after] = markdownBlocks('See[^1].\n\n[^1]: Here.');
  assert.notEqual(before.source, after.source);
});

test('a table directly below a line of text is a table', () => {
  assert.match(html('合计：\n| 项目 | 金额 |\n|---|---:|\n| **差旅。**费 | 1 |'), /<p>合计：<\/p>\n<table>[^]*<td><strong>差旅。<\/strong>费<\/td>/);
});
