import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application } from '../application.js';
import { Language } from '../language/language.js';
import { MemoryStorage } from './memory-storage.js';

const THREAD = { id: 't', title: 'T', status: 'idle', updated_at: '2026-11-25T10:00:00Z', pending_approvals: 0 };
const KEPT = { ...THREAD, messages: [{ id: 'u', role: 'user', content: 'one' }, { id: 'a', role: 'assistant', content: 'ONE' }], approvals: [], run: null };

/** A signed-in page whose tab has shown the thread `t`; `responses` are the agent's, by path. */
function application(responses, hash = '') {
  const tabStorage = new MemoryStorage();
  tabStorage.setItem('idaas-agent.session', JSON.stringify({ accessToken: 'at', subject: 's', person: 'p', name: 'n' }));
  tabStorage.setItem('idaas-agent.thread', JSON.stringify({ person: 'p', value: 't' }));
  globalThis.fetch = async (url, options) => responses[new URL(url).pathname](options);
  const location = { pathname: '/', search: '', hash };
  const history = { replaceState: (_, __, url) => { location.hash = url.replace(/^[^#]*/, ''); } };
  history.pushState = history.replaceState;
  const configuration = { agentUrl: 'https://agent.example', tokenStorage: 'session', conversationStorage: 'session' };
  return new Application({
    configuration, language: new Language('en'), tabStorage, location, history, otherTabs: Object.assign(new EventTarget(), { postMessage() {} }),
  });
}

test('a question that is asked while the conversation is restored belongs to it', async (context) => {
  const sent = [];
  let give;
  const kept = new Promise((resolve) => { give = resolve; });
  const app = application({
    '/threads': async () => Response.json({ threads: [THREAD], next: null }),
    '/threads/t': async () => { await kept; return Response.json(KEPT); },
    '/ag-ui/agent': async ({ body }) => {
      sent.push(JSON.parse(body));
      const finished = { type: 'RUN_FINISHED', threadId: 't', runId: 'r', outcome: { type: 'success' } };
      return new Response(`data: ${JSON.stringify(finished)}\n\n`, { headers: { 'Content-Type': 'text/event-stream' } });
    },
  });
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  const started = app.start(undefined);
  const asked = app.ask('two');
  give();
  await Promise.all([started, asked]);
  assert.deepEqual(sent.map(({ threadId, messages }) => [threadId, messages.map(({ content }) => content)]), [['t', ['two']]]);
  assert.deepEqual(app.chat.turns.map(({ question }) => question), ['one', 'two']);
});

test('a question that is asked while a conversation with a run is restored is not sent, but given back', async (context) => {
  let give;
  const kept = new Promise((resolve) => { give = resolve; });
  const app = application({
    '/threads': async () => Response.json({ threads: [THREAD], next: null }),
    '/threads/t': async () => { await kept; return Response.json({ ...KEPT, status: 'running', run: { id: 'r' } }); },
    '/threads/t/events': () => new Promise(() => {}),
  });
  context.after(() => { app.chat.clear(); app.conversations.leave(); app.inbox.leave(); });
  const back = [];
  app.chat.addEventListener('given_back', ({ detail: { question } }) => back.push(question));
  const started = app.start(undefined);
  const asked = app.ask('two');
  give();
  await Promise.all([started, asked]);
  assert.deepEqual([back, app.chat.refusal.failure.code], [['two'], 'thread_busy']);
  assert.deepEqual(app.chat.turns.map(({ question }) => question), ['one']);
});

test('a conversation opens although the sign-in is renewed while it is read', async (context) => {
  const app = application({
    '/threads': async () => Response.json({ threads: [THREAD], next: null }),
    '/threads/t': async () => {
      app.sessions.keep({ ...app.session, accessToken: 'renewed' }); // a token that lives 180 s is renewed at once
      return Response.json(KEPT);
    },
  });
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  await app.start(undefined);
  assert.deepEqual([app.session.accessToken, app.chat.turns.map(({ question }) => question)], ['renewed', ['one']]);
});

test('a conversation does not open for another user who has signed in meanwhile', async (context) => {
  const app = application({
    '/threads': async () => Response.json({ threads: [THREAD], next: null }),
    '/threads/t': async () => {
      app.sessions.keep({ ...app.session, person: 'another', subject: 'o' });
      return Response.json(KEPT);
    },
  });
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  await app.start(undefined);
  assert.deepEqual(app.chat.turns, []);
});

test('the words of a refusal that did not reach the agent are given back', async (context) => {
  const approval = { id: 'x', kind: 'tool_call', call_id: 'c', expires_at: '2999-01-01T00:00:00Z' };
  const waits = { ...KEPT, status: 'paused', approvals: [approval] };
  const app = application({
    '/threads': async () => Response.json({ threads: [{ ...THREAD, pending_approvals: 1 }], next: null }),
    '/threads/t': async () => Response.json(waits),
    '/threads/t/approvals/x': async () => { throw new TypeError('refused'); },
  });
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  const back = [];
  app.chat.addEventListener('given_back', ({ detail: { question } }) => back.push(question));
  await app.start(undefined);
  await app.decline('not on Mondays');
  assert.deepEqual([back, app.chat.approvals[0].id], [['not on Mondays'], 'x']);
});

test('an agent that could not be reached at first shows the last conversation, by its titles, when it can', async (context) => {
  let down = true;
  let give;
  const titles = new Promise((resolve) => { give = resolve; });
  const refuse = () => { if (down) throw new TypeError('refused'); };
  const app = application({
    '/threads': async () => { refuse(); return Response.json({ threads: [THREAD], next: null }); },
    '/threads/t': async () => { read.push('/threads/t'); return Response.json(KEPT); },
    '/services': async () => { refuse(); await titles; return Response.json({ services: { leave: { title: { en: 'Leave' } } } }); },
    '/.well-known/agent-card.json': async () => Response.json({ defaultInputModes: ['image/webp'] }),
  });
  const read = [];
  app.addEventListener('arrived', () => read.push('arrived'));
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  await app.start(undefined);
  assert.deepEqual([app.chat.thread, app.chat.turns.length], [undefined, 0]);
  down = false;
  const opened = new Promise((resolve) => { app.chat.addEventListener('turns', () => { if (app.chat.turns.length > 0) resolve(); }); });
  await app.conversations.refresh();
  assert.deepEqual(read, ['arrived']);
  read.push('titles');
  give();
  await opened;
  assert.deepEqual([read, app.titles.service('leave', 'en'), app.takesImages], [['arrived', 'titles', '/threads/t'], 'Leave', true]);
  assert.deepEqual([app.chat.thread, app.chat.turns.map(({ question }) => question)], ['t', ['one']]);
});

test('the address names the conversation, which it opens again, and drafts stay with their conversations', async (context) => {
  const other = { ...KEPT, id: 'other', messages: [{ id: 'u2', role: 'user', content: 'two' }] };
  const app = application({
    '/threads': async () => Response.json({ threads: [THREAD], next: null }),
    '/threads/t': async () => Response.json(KEPT),
    '/threads/other': async () => Response.json(other),
  }, '#conversation=other');
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  await app.start(undefined);
  assert.deepEqual([app.chat.thread, app.location.hash, app.title], ['other', '#conversation=other', 'two']);
  app.draft = 'half a question';
  await app.openConversation('t');
  assert.deepEqual([app.location.hash, app.title, app.draft], ['#conversation=t', 'T', '']);
  app.location.hash = '#conversation=other'; // as "back"
  await app.addressChanged();
  assert.deepEqual([app.chat.thread, app.draft], ['other', 'half a question']);
  app.location.hash = '';
  await app.addressChanged();
  assert.deepEqual([app.chat.turns, app.draft], [[], '']);
});

test('a new tab asks IDaaS for a session before it shows the sign-in, and does without', async (context) => {
  const app = application({ '/threads': async () => Response.json({ threads: [], next: null }) });
  context.after(() => { app.conversations.leave(); app.inbox.leave(); });
  app.tabStorage.removeItem('idaas-agent.session');
  const shown = [];
  app.addEventListener('change', () => shown.push([app.checking, app.session?.name]));
  app.renewal.begin = async () => undefined;
  await app.start(undefined);
  app.renewal.begin = async () => ({ accessToken: 'at', person: 'p', name: 'Alice' });
  await app.start(undefined);
  assert.deepEqual(shown, [[true, undefined], [false, undefined], [true, undefined], [false, 'Alice']]);
});
