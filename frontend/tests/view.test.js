import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Titles } from '../chat/titles.js';
import { Language, loaded } from '../language/language.js';
import { endNote, noticeTexts, unavailableNote } from '../view/answer-end.js';
import { approvalTitle } from '../view/approval-card.js';
import { argumentChoice, argumentLabel, choicesOf } from '../view/argument-field.js';
import { waitingCount } from '../view/attention.js';
import { agentState, serviceUses } from '../view/chain.js';
import { deviceName } from '../view/device.js';
import { failureWords } from '../view/failure.js';
import { identityKind, identitySentence, rightsSentence } from '../view/identity.js';
import { raiseRows } from '../view/limit-raise.js';
import { plainText } from '../view/markdown.js';
import { argumentTitle, serviceName, toolName } from '../view/names.js';
import { isYes } from '../view/spoken-yes.js';

await loaded('zh');

const english = new Language('en');
const chinese = new Language('zh');

const RIGHTS = [
  ['api_key', /your organization's API key, which is the same for everyone: the service does not see you/, /所有人共用：该服务看不到你是谁/],
  ['api_key api_key', /the service does not see you/, /该服务看不到你是谁/],
  ['access_token', /on your behalf, with your rights/, /代表你、以你的权限/],
  ['issued_jwt', /on your behalf, with your rights/, /代表你、以你的权限/],
  ['issued_jwt api_key', /on your behalf, with your rights/, /代表你、以你的权限/],
  ['oauth_token', /an account at another provider/, /其他平台账户/],
  ['cloud_role', /as a cloud role that is released to you/, /授权给你的云角色/],
  ['issuer_credential', /another system, such as a vault, issued for you/, /密钥库.*为你签发的凭证/],
];

for (const [credentialKind, inEnglish, inChinese] of RIGHTS) {
  test(`a call with the user's identity and ${credentialKind} says whose rights it used`, () => {
    const call = { accessIdentity: 'Human', credential: 'some_name', credentialKind };
    assert.match(identitySentence(english, call), inEnglish);
    assert.match(identitySentence(chinese, call), inChinese);
    assert.equal(identityKind({ ...call, accessIdentity: 'Machine' }), 'machine');
    for (const language of [english, chinese]) {
      const kind = identityKind(call);
      assert.ok(language.has(`identity.${kind}`) && language.has(`approval.identity_${kind}`));
      const theirs = language.has(`inbox.identity_${kind}`) && language.text(`inbox.identity_${kind}`, { asker: 'user_bob01' });
      assert.ok(kind === 'shared_key' || theirs.includes('user_bob01'), 'an approver reads in whose name');
    }
  });
}

test('what is not known of a call\'s rights is not guessed', () => {
  assert.equal(identityKind({ accessIdentity: null }), 'none');
  assert.equal(identityKind({ accessIdentity: 'Human', credential: 'amap_api_key' }), 'unknown');
  assert.equal(identityKind({ accessIdentity: 'Human', credentialKind: 'seal' }), 'unknown');
  assert.equal(identityKind({}), 'unknown');
  assert.match(identitySentence(english, { accessIdentity: 'Machine', credentialKind: 'api_key' }), /the same for everyone/);
  assert.doesNotMatch(identitySentence(english, { accessIdentity: 'Machine', credentialKind: 'issued_jwt' }), /the same for everyone/);
});

test('a call that waits says whose rights it would use, and an approver reads in whose name', () => {
  const asks = (credential_kind, members) => rightsSentence(english, { access_identity: 'Human', credential_kind, ...members });
  const asker = { asker: { iss: 'i', sub: 'user_bob01' } };
  assert.match(asks('access_token'), /your rights \(Human\)/);
  assert.match(asks('access_token', asker), /the rights of user_bob01 \(Human\)/);
  assert.match(asks('cloud_role', asker), /released to user_bob01/);
  assert.match(asks('api_key', asker), /the same for everyone/);
  assert.match(asks('api_key', { access_identity: 'Machine' }), /the agent's own rights \(Machine\), with your organization's API key/);
  assert.doesNotMatch(asks('issued_jwt', { access_identity: 'Machine' }), /API key/);
});

test('the title of an approval says what would be done, to what, and under whose rights', () => {
  const call = { kind: 'tool_call', service: 'leave', tool: 'leave_cancel', access_identity: 'Human', credential_kind: 'access_token' };
  assert.equal(approvalTitle(english, call), 'The agent asks: leave_cancel (the leave service, on your behalf)');
  assert.equal(approvalTitle(chinese, call), '智能体请求：leave_cancel（休假服务，代表你）');
  const asked = { ...call, asker: { iss: 'i', sub: 'user_bob01' } };
  assert.equal(approvalTitle(english, asked), 'user_bob01 asks: leave_cancel (the leave service, with their own rights)');
  assert.equal(approvalTitle(english, { ...asked, credential_kind: 'api_key' }), 'user_bob01 asks: leave_cancel (the leave service, with a shared key)');
});

test('an argument is shown under its own name, with its title beside it', () => {
  assert.equal(argumentLabel('to', { title: 'From account' }), 'to · From account');
  for (const schema of [undefined, {}, { title: '' }, { title: 5 }]) assert.equal(argumentLabel('to', schema), 'to');
  assert.equal(argumentLabel('first_day', { title: 'First Day' }), 'first_day');
  assert.equal(argumentLabel('to', { title: 'x'.repeat(100) }), `to · ${'x'.repeat(60)}`);
});

test('a value to choose for an argument is shown as it is sent, with its title beside it', () => {
  const choices = choicesOf({ oneOf: [{ const: 'test', title: 'production' }, { const: 'production', title: 'test' }] });
  assert.deepEqual(choices.map(argumentChoice), ['test · production', 'production · test']);
  assert.deepEqual(choicesOf({ enum: ['a', 2, null] }).map(argumentChoice), ['a', '2', 'null']);
});

test('a call that was refused beforehand used no rights', () => {
  const refused = { type: 'tool', service: 'leave', accessIdentity: 'Human', audience: 'a', scope: 's', outcome: 'not_called' };
  assert.equal(identityKind(refused), 'not_called');
  assert.match(identitySentence(english, refused), /^Nothing was called/);
  assert.deepEqual(serviceUses({ answer: { parts: [refused] } }), [{ service: 'leave', kind: 'not_called', count: 1, failed: false }]);
});

test('an answer that is not whole, or has no text, says so', () => {
  const key = (cutOff, ...texts) => endNote({ status: 'done', cutOff, parts: texts.map((text) => ({ type: 'text', text })) });
  assert.equal(key(undefined, 'Sunny'), undefined);
  assert.equal(key(undefined), 'chat.no_text');
  assert.equal(key('length', 'Sun'), 'chat.cut_off');
  assert.equal(key('length'), 'chat.cut_off_empty');
  assert.equal(key('content_filter', 'Sun'), 'chat.withheld');
  assert.equal(key('content_filter', ''), 'chat.withheld_empty');
  assert.match(english.text('chat.cut_off'), /cut off at the limit/);
  assert.match(english.text('chat.withheld'), /withheld by the filter/);
  assert.match(chinese.text('chat.cut_off'), /上限/);
  assert.equal(endNote({ status: 'stopped', parts: [] }), 'chat.stopped_empty');
  assert.equal(endNote({ status: 'stopped', parts: [{ type: 'reasoning', text: 'hm' }] }), 'chat.stopped');
  for (const status of ['failed', 'waiting', 'streaming']) assert.equal(endNote({ status, parts: [] }), undefined);
});

test('an answer without a service that was unavailable says so in either language', () => {
  const answer = { unavailable: ['amap', 'maps'] };
  assert.equal(unavailableNote(english, { }), undefined);
  assert.equal(unavailableNote(english, answer), 'Answered without Amap, maps: not available now.');
  assert.match(unavailableNote(chinese, answer), /^回答时.*不可用/);
});

test('the token counts as verified only after the agent accepted the request', () => {
  const state = (answer) => agentState(answer && { answer });
  assert.equal(state(undefined), 'chain.agent_not_asked');
  assert.equal(state({ status: 'streaming' }), 'chain.agent_asked');
  assert.equal(state({ status: 'streaming', accepted: true }), 'chain.agent');
  assert.equal(state({ status: 'failed', accepted: true, failure: {} }), 'chain.agent');
  assert.equal(state({ status: 'failed', failure: { status: 401 } }), 'chain.agent_refused');
  assert.equal(state({ status: 'failed', failure: { code: 'agent_unreachable' } }), 'chain.agent_failed');
});

test('a failure has the display name of the service in either language', () => {
  const failure = { code: 'external_service_failed', service: 'amap' };
  assert.equal(failureWords(english, failure).symptom, 'The call to Amap failed');
  assert.equal(failureWords(chinese, failure).symptom, '调用高德地图失败');
  assert.equal(failureWords(english, { code: 'enterprise_jwt_rejected', service: 'enterprise' }).symptom,
    'The agent is not accepted by the enterprise service');
  assert.equal(failureWords(english, { code: 'external_service_failed' }).symptom, 'The call to a service that the agent needs failed');
});

test('a model that is busy, unreachable or refuses has words of its own', () => {
  for (const language of [english, chinese]) {
    const symptoms = [429, 503, 502, 500].map((status) => failureWords(language, { code: 'model_call_failed', status }).symptom);
    assert.equal(new Set(symptoms).size, 4);
    assert.match(symptoms.join(), language === english ? /busy,.*could not be reached,.*refused the request/ : /繁忙,.*无法连接.*,.*拒绝/);
  }
});

test('an unknown code has the agent\'s text, without the reference that the card shows separately', () => {
  const userText = 'The call to the stock service failed; reference 1f2e.';
  assert.equal(failureWords(english, { code: 'stock_failed', userText, requestId: '1f2e' }).symptom, 'The call to the stock service failed');
  assert.equal(failureWords(english, { code: 'stock_failed' }).symptom, english.text('error.agent_failed.symptom'));
});

test('Markdown becomes plain text for screen readers', () => {
  const markdown = '## Plan\n\nIt is **24 °C** in [Hangzhou](https://example.com), `now`.\n\n| Day | High |\n|---|---|\n| Mon | **24** |\n\n'
    + '- one\n- two\n  - three\n\n```js\nlet x;\n```\n\n> quote\n\n---\n\n1 < 2 & <b>x</b> ![chart](https://x.example/y.png)\n\n- [x] done';
  const read = plainText(markdown);
  assert.equal(read, 'Plan\nIt is 24 °C in Hangzhou, now.\nDay, High\nMon, 24\none\ntwo\nthree\nlet x;\nquote\n1 < 2 & <b>x</b> chart\ndone');
  assert.equal(plainText('5 * 3 = 15, a_b_c'), '5 * 3 = 15, a_b_c');
});

test('a device is named by its browser and its system, another program by its own words', () => {
  const chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
  assert.equal(deviceName(chrome), 'Chrome, Windows');
  assert.equal(deviceName(`${chrome} Edg/142.0.0.0`), 'Edge, Windows');
  assert.equal(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1'), 'Safari, iPhone');
  assert.equal(deviceName('python-httpx/0.28.1'), 'python-httpx/0.28.1');
  assert.equal(deviceName('x'.repeat(200)).length, 60);
  assert.equal(deviceName(), '');
});

test('people read the titles of the operator, and a name without one stays technical', () => {
  const titles = new Titles({ leave: { title: { en: 'Leave', zh: '休假' }, tools: {
    leave_cancel: { title: { en: 'Cancel leave', zh: '取消休假' }, arguments: { first_day: { en: 'First day', zh: '开始日期' } }, effect: 'write' },
    leave_balance: { title: null, arguments: {}, effect: 'read' },
  } } });
  const call = { service: 'leave', tool: 'leave_cancel' };
  const names = (code, name) => [serviceName(new Language(code, titles), name.service), toolName(new Language(code, titles), name)];
  assert.deepEqual(names('en', call), ['Leave', 'Cancel leave']);
  assert.deepEqual(names('zh', call), ['休假', '取消休假']);
  assert.equal(toolName(new Language('en', titles), { service: null, tool: 'leave_cancel' }), 'Cancel leave');
  assert.equal(toolName(new Language('en', titles), { tool: 'constructor' }), 'constructor');
  assert.deepEqual(names('en', { service: 'leave', tool: 'constructor' }), ['Leave', 'constructor']);
  assert.deepEqual(names('en', { service: 'constructor', tool: 'leave_cancel' }), ['constructor', 'leave_cancel']);
  assert.equal(argumentTitle(new Language('zh', titles), call, 'first_day'), '开始日期');
  assert.equal(argumentTitle(english, call, 'first_day'), undefined);
  const beside = { ...call, display: [{ name: 'first_day' }, { name: 'First Day' }] };
  assert.equal(argumentTitle(new Language('en', titles), beside, 'first_day'), undefined, 'another argument has this name');
  assert.equal(argumentTitle(new Language('zh', titles), beside, 'first_day'), '开始日期');
  assert.deepEqual([titles.reads('leave', 'leave_balance'), titles.reads('leave', 'leave_cancel'), titles.reads('x', 'y')], [true, false, false]);
});

test('an agent that cannot be asked leaves all names technical', async () => {
  const titles = new Titles();
  const apply = () => toolName(new Language('en', titles), { service: 'leave', tool: 'leave_apply' });
  await titles.read(() => Promise.reject(new Error('down')));
  assert.equal(apply(), 'leave_apply');
  let requests = 0;
  const request = async () => {
    requests += 1;
    return { services: { leave: { tools: { leave_apply: { title: { en: 'Apply for leave' } } } } } };
  };
  await Promise.all([titles.read(request), titles.read(request)]);
  await titles.read(request);
  assert.deepEqual([apply(), requests], ['Apply for leave', 1]);
});

test('a plain yes is known in both languages, and what says more is none', () => {
  for (const text of ['yes', ' Yes! ', 'OK.', '好的', '同意。']) assert.ok(isYes(text), text);
  for (const text of ['yes, but two days', 'no', '不同意', '不好', 'yes?', '']) assert.ok(!isYes(text), text);
});

test('the bell counts what waits for the user, of their own conversations and of others, once', () => {
  const own = (thread, members) => ({ thread_id: thread, ...members });
  const app = {
    chat: { thread: 'here', approvals: [{}, { approvers: 'finance' }] },
    conversations: { shown: [{ id: 'here', pending_approvals: 2 }, { id: 'there', pending_approvals: 1 }, { id: 'others', pending_approvals: 1 }] },
    inbox: { deciding: [{}, {}], own: [own('here'), own('there'), own('unlisted'), own('unlisted', { approvers: 'finance' })],
      isDecided: () => false, ofAnother: (id) => (id === 'others' ? 'open' : undefined) },
  };
  assert.equal(waitingCount(app), 2 + 1 + 1 + 1);
});

test('what the user should know is in the words of the agent where the page has none, and printable', () => {
  assert.deepEqual(noticeTexts(english, {}), []);
  const notices = [{ code: 'canteen', text: 'It closes at 2\u202e', values: {} }, { code: 'constructor', text: 'b', values: {} }];
  assert.deepEqual(noticeTexts(chinese, { notices }), ['It closes at 2\\u202e', 'b']);
});

test('who has nearly used up a limit of the models reads it in their language', () => {
  const notices = [
    { code: 'budget_near_user_tokens', text: 'English', values: { percent: 83 } },
    { code: 'budget_near_group_money', text: 'English', values: { percent: 90, name: 'finance' } },
  ];
  assert.deepEqual(noticeTexts(english, { notices }), [
    'You have used 83 % of the tokens that you may use today (UTC).',
    'Your group finance has used 90 % of what its use of the language model may cost today (UTC).',
  ]);
  assert.deepEqual(noticeTexts(chinese, { notices }), [
    '你今天（UTC）可用的 token 已使用 83%。',
    '你所在的组 finance 今天（UTC）可用的大模型费用已使用 90%。',
  ]);
});

test('a raise of a limit is read in the words of the language, and in those of the agent if they are others', () => {
  const display = (budget, limit) => [
    { name: 'budget', text: budget }, { name: 'limit', text: limit }, { name: 'raise_by', text: '0.5 of money' }];
  const texts = (language, ...values) => raiseRows(language, display(...values)).map(([, text]) => text);
  assert.deepEqual(texts(english, 'group finance', '5000000 tokens'), ['all members of “finance” together', '5,000,000 tokens', '0.5 (money)']);
  assert.deepEqual(texts(chinese, 'user user_alice01', '24 tokens'), ['用户“user_alice01”', '24 个 token', '0.5（费用）']);
  assert.deepEqual(texts(chinese, 'team of all', 'without end'), ['team of all', 'without end', '0.5（费用）']);
});
