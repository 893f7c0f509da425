import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accentColors, applyAccent, readAppearance, suggestionsIn } from '../appearance.js';

const PAGE = new URL('https://chat.example.com/agent/');

function read(appConfig) {
  const faults = [];
  const values = readAppearance(appConfig, PAGE, (key, reason) => faults.push(`${key} ${reason}`));
  return { ...values, faults };
}

/** WCAG 2.2: the ratio of two colours. */
function contrast(one, other) {
  const luminance = (color) => {
    const [r, g, b] = color.slice(1).match(/../g).map((pair) => parseInt(pair, 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

test('a page without these keys has the default appearance', () => {
  assert.deepEqual(read({}), { productName: undefined, logoUrl: undefined, suggestions: undefined, accentColor: undefined, faults: [] });
});

test('valid values are used', () => {
  for (const LOGO_URL of ['logo.svg', '/logo.png', 'https://cdn.example.com/l.png', 'data:image/png;base64,iVBORw0KGgo=', 'data:image/svg+xml,%3Csvg/%3E']) {
    const given = { PRODUCT_NAME: ' Acme ', LOGO_URL, SUGGESTIONS: ['One?'], ACCENT_COLOR: '#0a7' };
    assert.deepEqual(read(given), { productName: 'Acme', logoUrl: LOGO_URL, suggestions: ['One?'], accentColor: '#0a7', faults: [] });
  }
});

for (const [key, reason, values] of [
  ['PRODUCT_NAME', 'text', ['', ' ', 7, null, 'x'.repeat(61), ['a']]],
  ['LOGO_URL', 'logo', ['', 7, 'http://cdn.example.com/l.png', 'javascript:alert(1)', 'data:text/html,<script>', 'https://me@evil.example/l.png', 'blob:x', 'file:///x']],
  ['SUGGESTIONS', 'suggestions', [[], [''], 'One?', [7], ['x'.repeat(201)], Array(7).fill('a'), {}, { fr: ['Un ?'] }, { en: 'One?' }, { en: { zh: ['a'] } }, null]],
  ['ACCENT_COLOR', 'colour', ['', 'red', '#12', '#1234567', 'rgb(0,0,0)', '#fff;}', 'url(https://x)', 7]],
]) {
  test(`an invalid ${key} is refused`, () => {
    for (const value of values) assert.deepEqual(read({ [key]: value }).faults, [`${key} ${reason}`], String(value));
  });
}

test('suggestions may be given for each language; the page has its own for the others', () => {
  const { suggestions } = read({ SUGGESTIONS: { zh: ['一？'] } });
  assert.deepEqual(suggestionsIn(suggestions, 'zh'), ['一？']);
  assert.equal(suggestionsIn(suggestions, 'en'), undefined);
  assert.deepEqual(suggestionsIn(['One?'], 'zh'), ['One?']);
  assert.equal(suggestionsIn(undefined, 'en'), undefined);
});

test('text in and on any accent colour has enough contrast', () => {
  for (const color of ['#000', '#fff', '#ffff00', '#2252cf', '#808080', '#ff0000', '#00ff7f', '#777777']) {
    const { light, dark } = accentColors(color);
    for (const ground of ['#ffffff', '#f6f7f9', '#eef1f5']) assert.ok(contrast(light.accent, ground) >= 4.5, `${color} on ${ground}`);
    for (const ground of ['#0f1217', '#171b22', '#1f242d']) assert.ok(contrast(dark.accent, ground) >= 4.5, `${color} on ${ground}`);
    for (const { accent, on } of [light, dark]) assert.ok(contrast(accent, on) >= 4.5, `${on} on ${accent}`);
  }
  assert.equal(accentColors('#2252cf').light.accent, '#2252cf');
});

test('the accent colour is applied through the object model', () => {
  const set = {};
  applyAccent('#2252cf', { setProperty: (name, value) => { set[name] = value; } });
  assert.deepEqual(Object.keys(set), ['--accent', '--accent-hover', '--on-accent']);
  assert.match(set['--accent'], /^light-dark\(#[0-9a-f]{6}, #[0-9a-f]{6}\)$/);
  applyAccent(undefined, { setProperty: () => assert.fail('no colour was given') });
});
