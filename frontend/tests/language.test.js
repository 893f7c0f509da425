import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LANGUAGES, Language, MESSAGES, chooseLanguage, loaded, preferredLanguage } from '../language/language.js';
import { MemoryStorage } from './memory-storage.js';

await loaded('zh');

const FRONTEND = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = ['', 'view/', 'sign-in/', 'chat/'].flatMap((folder) =>
  readdirSync(FRONTEND + folder).filter((name) => name.endsWith('.js') && name !== 'config.js').map((name) => readFileSync(FRONTEND + folder + name, 'utf8')));
const placeholders = (message) => [...message.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();

test('every message exists in every language, with the same placeholders', () => {
  assert.deepEqual(Object.keys(MESSAGES), Object.keys(LANGUAGES));
  for (const [code, messages] of Object.entries(MESSAGES)) {
    assert.deepEqual(Object.keys(messages).sort(), Object.keys(MESSAGES.en).sort(), code);
    for (const [key, message] of Object.entries(messages)) {
      assert.notEqual(message.trim(), '', `${code} ${key}`);
      assert.deepEqual(placeholders(message), placeholders(MESSAGES.en[key]), `${code} ${key}`);
    }
  }
});

test('every Chinese message is in Chinese', () => {
  for (const [key, message] of Object.entries(MESSAGES.zh)) assert.match(message, /\p{Script=Han}/u, key);
});

test('Chinese messages have Chinese punctuation, without spaces around it', () => {
  for (const [key, message] of Object.entries(MESSAGES.zh)) {
    assert.doesNotMatch(message, /[。，；：？！、（）] | [。，；：？！、（）…]|\p{Script=Han}\s*[,;:!?.()]/u, key);
  }
});

test('English messages begin with a capital where they stand alone', () => {
  for (const key of ['account.expired', 'account.expires_soon', 'failure.retry_in', 'chat.stopped_empty']) assert.match(MESSAGES.en[key], /^[A-Z]/, key);
});

test('every message that the page uses exists, and every existing one is used', () => {
  const asked = new Set();
  const prefixes = new Set(['error.']); // built in failure.js from codes
  for (const source of SOURCES) {
    for (const [, key] of source.matchAll(/'([a-z_]+(?:\.[a-z_0-9]+)+)'/g)) asked.add(key);
    for (const [, prefix] of source.matchAll(/`([a-z_]+\.(?:[a-z_.]+)?)\$\{/g)) prefixes.add(prefix);
  }
  const files = (key) => /\.(js|css|svg|html)$/.test(key);
  const storage = (key) => key.startsWith('idaas-agent.');
  for (const key of asked) assert.ok(files(key) || storage(key) || key in MESSAGES.en, `no message ${key}`);
  const used = (key) => asked.has(key) || [...prefixes].some((prefix) => key.startsWith(prefix));
  assert.deepEqual(Object.keys(MESSAGES.en).filter((key) => !used(key)), []);
});

test('every code of a sign-in error has a text and a remedy', () => {
  const codes = SOURCES.flatMap((source) => [...source.matchAll(/new SignInError\('([a-z_]+)'/g)].map(([, code]) => code));
  assert.ok(codes.length > 5);
  for (const code of codes) {
    assert.ok(`sign_in_error.${code}` in MESSAGES.en, code);
    assert.ok(`sign_in_error.${code}.remedy` in MESSAGES.en, code);
  }
});

test('the language is the chosen one, then the configured one, then that of the browser, then English', async () => {
  const storage = new MemoryStorage();
  const preferred = async (options) => (await preferredLanguage({ storage, ...options })).code;
  assert.equal(await preferred({ browser: ['fr', 'zh-CN', 'en'] }), 'zh');
  assert.equal(await preferred({ browser: ['fr'] }), 'en');
  assert.equal(await preferred({ configured: 'zh', browser: ['en'] }), 'zh');
  assert.equal(await preferred({ configured: 'constructor', browser: ['en'] }), 'en');
  assert.equal((await chooseLanguage('en', storage)).code, 'en');
  assert.equal(await preferred({ configured: 'zh' }), 'en');
});

test('values of a message are printable', () => {
  const language = new Language('en');
  assert.equal(language.text('approval.argument', { name: 'a\u202e\u200bb' }), language.text('approval.argument', { name: 'a\\u202e\\u200bb' }));
});

test('values are inserted literally and only once', () => {
  const language = new Language('en');
  assert.equal(language.text('failure.code', { code: '{code} $& <b>' }), 'Code: {code} $& <b>');
  assert.equal(language.text('no.such.key'), 'no.such.key');
});

test('a number and a Chinese unit are apart, as in the messages', () => {
  const language = new Language('zh');
  assert.deepEqual([language.wait(600), language.wait(9000), language.duration(55), language.duration(1200)], ['10 分钟', '2.5 小时', '55 毫秒', '1.2 秒']);
  assert.equal(new Language('en').wait(600), '10 minutes');
});

test('a Latin name in a Chinese message is apart from the characters beside it, and what people wrote is as they wrote it', () => {
  const language = new Language('zh');
  assert.equal(language.text('tool.not_called', { service: 'vacation' }), '未调用 vacation');
  assert.equal(language.text('tool.not_called', { service: '休假服务' }), '未调用休假服务');
  assert.equal(language.text('chat.queued', { text: '用SQL查' }), '将在你决定之后发送：“用SQL查”');
});

test('sentences of Chinese stand together, and others are apart', async () => {
  const chinese = await loaded('zh');
  assert.equal(chinese.sentences('一。', undefined, '二。'), '一。二。');
  assert.equal(new Language('en').sentences('One.', false, 'Two.'), 'One. Two.');
});
