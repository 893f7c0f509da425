import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application } from '../application.js';
import { Language } from '../language/language.js';
import { MemoryStorage } from './memory-storage.js';

const THREAD = { id: 't', title: 'T', status: 'idle', updated_at: '2026-11-25T10:00:00Z', pending_approvals: 0 };
const KEPT = { ...THREAD, messages: [{ id: 'u', role: 'user', content: 'one' }, { id: 'a', role: 'assistant', content: 'ONE' }], approvals: [], run: null };

/** A signed-in page whose tab has shown the thread `t`; `responses` are the agent's, by path. */
function application(responses) {
  const tabStorage = new MemoryStorage();
  tabStorage.setItem('idaas-agent.session', JSON.stringify({ accessToken: 'at', subject: 's', person: 'p', name: 'n' }));
  tabStorage.setItem('idaas-agent.thread', JSON.stringify({ person: 'p', thread: 't' }));
  globalThis.fetch = async (url, options) => responses[new URL(url).pathname](options);
  const configuration = { agentUrl: 'https://agent.example', tokenStorage: 'session', conversationStorage: 'session' };
  return new Application({
    configuration, language: new Language('en'), tabStorage, location: {}, otherTabs: Object.assign(new EventTarget(), { postMessage() {} }),
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
  context.after(() => app.conversations.leave());
  const started = app.start(undefined);
  const asked = app.ask('two');
  give();
  await Promise.all([started, asked]);
  assert.deepEqual(sent.map(({ threadId, messages }) => [threadId, messages.map(({ content }) => content)]), [['t', ['two']]]);
  assert.deepEqual(app.chat.turns.map(({ question }) => question), ['one', 'two']);
});

test('an agent that could not be reached at first shows the last conversation when it can', async (context) => {
  let down = true;
  const app = application({
    '/threads': async () => { if (down) throw new TypeError('refused'); return Response.json({ threads: [THREAD], next: null }); },
    '/threads/t': async () => Response.json(KEPT),
  });
  context.after(() => app.conversations.leave());
  await app.start(undefined);
  assert.deepEqual([app.chat.thread, app.chat.turns.length], [undefined, 0]);
  down = false;
  const opened = new Promise((resolve) => { app.chat.addEventListener('turns', () => { if (app.chat.turns.length > 0) resolve(); }); });
  await app.conversations.refresh();
  await opened;
  assert.deepEqual([app.chat.thread, app.chat.turns.map(({ question }) => question)], ['t', ['one']]);
});
