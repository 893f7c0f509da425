/**
 * The page's state and the user's actions: sign in and out, ask, choose a language. It does not know the view.
 *
 * A change of the whole page is a `change` event, a link to a call of another person an `approval` event with its id, and
 * `arrived` says that an agent which could not be reached at first now can be; the chat has its own events.
 */

import { suggestionsIn } from './appearance.js';
import { requester } from './chat/agent-request.js';
import { ChangeWatch } from './chat/change-watch.js';
import { Chat } from './chat/chat.js';
import { ConversationDatabase } from './chat/conversation-database.js';
import { ConversationList } from './chat/conversation-list.js';
import { fileName } from './chat/file-name.js';
import { Files } from './chat/files.js';
import { Inbox } from './chat/inbox.js';
import { KeptConversation } from './chat/kept-conversation.js';
import { followRun, startRun } from './chat/run-stream.js';
import { TabMemory } from './chat/tab-memory.js';
import { Threads } from './chat/threads.js';
import { chooseLanguage } from './language/language.js';
import { PendingSignIn } from './sign-in/pending-sign-in.js';
import { SessionStore } from './sign-in/session.js';
import { SignInError } from './sign-in/sign-in-error.js';
import { SilentRenewal } from './sign-in/silent-renewal.js';
import { beginSignIn, completeSignIn, logoutUrl } from './sign-in/sign-in.js';

const SIGNED_OUT = 'signed-out';
/** The sign-in is shown no later than this. */
const SILENT_MS = 2000;
const CHANGED = 'conversations-changed';
/** Refusals of a decision that was made elsewhere, such as in another tab. */
const DECIDED = ['approval_used', 'approval_invalid'];
/** The conversation in the address, while the user is at the sign-in page. */
const ADDRESS = 'idaas-agent.address';

export class Application extends EventTarget {
  #resumed;
  #withoutAgent = false;
  signInError;
  signingIn = false;
  /** Whether it is not known yet whether IDaaS has a session for this browser. */
  checking = false;
  expired = false;
  #addressed;

  /**
   * @param {object} surroundings
   * @param {ReturnType<import('./configuration.js').readConfiguration>} surroundings.configuration
   * @param {import('./language/language.js').Language} surroundings.language
   * @param {Storage | undefined} surroundings.languageStorage
   * @param {Storage} surroundings.tabStorage sessionStorage
   * @param {IDBFactory | undefined} surroundings.indexedDB
   * @param {Location} surroundings.location
   * @param {History} surroundings.history
   * @param {BroadcastChannel} surroundings.otherTabs
   * @param {((url: string) => Promise<object | undefined>) | undefined} surroundings.answerInFrame
   */
  constructor({ configuration, language, languageStorage, tabStorage, indexedDB, location, history, otherTabs, answerInFrame }) {
    super();
    Object.assign(this, { configuration, language, languageStorage, tabStorage, location, history, otherTabs });
    this.titles = language.titles;
    this.sessions = new SessionStore(configuration.tokenStorage === 'session' ? tabStorage : undefined);
    this.pendingSignIn = new PendingSignIn(tabStorage);
    this.renewal = new SilentRenewal(configuration, { answerInFrame });
    const inBrowser = configuration.conversationStorage === 'indexeddb' && indexedDB;
    this.kept = new KeptConversation(
      configuration.conversationStorage === 'memory' ? undefined : tabStorage, inBrowser ? new ConversationDatabase(indexedDB) : undefined);
    this.lastThread = new TabMemory(tabStorage, 'idaas-agent.thread');
    this.drafts = new TabMemory(tabStorage, 'idaas-agent.drafts'); // by conversation
    this.request = requester({ agentUrl: configuration.agentUrl, accessToken: () => this.session?.accessToken });
    this.threads = new Threads(this.request);
    this.inbox = new Inbox(this.request);
    this.files = new Files({ agentUrl: configuration.agentUrl, accessToken: () => this.session?.accessToken });
    this.conversations = new ConversationList(this.threads);
    this.chat = new Chat({
      ask: (request) => this.#ask(request),
      follow: ({ thread, signal }) => followRun({ url: `${configuration.agentUrl}/threads/${thread}/events`, accessToken: this.session.accessToken, signal }),
      decide: (thread, approval, decision) => this.threads.decide(thread, approval, decision),
      cancel: (thread) => this.threads.cancel(thread),
      goOn: (thread) => this.threads.goOn(thread),
      messages: (thread, before) => this.threads.messages(thread, before),
      replace: (thread, message, content) => this.threads.replace(thread, message, content),
      showVersion: (thread, version) => this.threads.showVersion(thread, version),
      reads: (service, tool) => this.titles.reads(service, tool),
      read: (thread) => this.threads.read(thread).then((kept) => { this.watch.seen(kept); return kept; }),
    });
    this.chat.addEventListener('turns', () => {
      this.#keep();
      this.#address();
    });
    this.chat.addEventListener('answer', () => { if (!this.chat.busy) this.#keep(); });
    this.chat.addEventListener('changed', () => this.#conversationChanged());
    this.watch = new ChangeWatch(this.chat, this.conversations, (id) => this.openConversation(id).catch(() => {}));
    this.conversations.addEventListener('change', () => this.#arrive());
    this.conversations.addEventListener('changed', () => otherTabs.postMessage(CHANGED));
    otherTabs.addEventListener('message', ({ data }) => {
      if (data === SIGNED_OUT) this.#forget();
      const hidden = globalThis.document?.visibilityState === 'hidden'; // it reads the list when it becomes visible
      if (data !== CHANGED || !this.conversations.available || hidden) return;
      this.conversations.refresh();
      this.inbox.refresh();
    });
  }

  get session() {
    return this.sessions.session;
  }

  /** The product's name. */
  get name() {
    return this.configuration.productName ?? this.language.text('app.name');
  }

  /** What the user has written in this conversation, and not sent. */
  get draft() {
    return this.drafts.of(this.session?.person)?.[this.#draftKey] ?? '';
  }

  set draft(text) {
    const { person } = this.session ?? {};
    this.drafts.keep(person, { ...this.drafts.of(person), [this.#draftKey]: text || undefined });
  }

  /** A conversation without a message has no id that outlasts a reload. */
  get #draftKey() {
    const { chat } = this;
    return chat.thread !== undefined && chat.turns.length > 0 ? chat.thread : '';
  }

  /** The title of the conversation that is shown; `undefined` if it has none. */
  get title() {
    const { chat, conversations } = this;
    return conversations.shown.find(({ id }) => id === chat.thread)?.title ?? chat.turns[0]?.question;
  }

  /** The conversation as a file: its name and its text. Raises `AgentFailure`. @param {'md' | 'json'} form */
  async exported(form) {
    const { chat: { thread }, language, threads } = this;
    const title = this.title || language.text('list.untitled');
    const json = await threads.export(thread);
    const name = fileName(title, form);
    if (form === 'json') return { name, text: json };
    const { markdownOf } = await import('./chat/exported.js'); // few people need it
    return { name, text: markdownOf(title, json, language) };
  }

  get logoUrl() {
    return this.configuration.logoUrl;
  }

  /** The configured suggestions, in the user's language. */
  get suggestions() {
    return suggestionsIn(this.configuration.suggestions, this.language.code);
  }

  secondsLeft() {
    return this.sessions.secondsLeft();
  }

  /** Whether the sign-in is renewed without the user. */
  get renewsItself() {
    return this.session !== undefined && this.renewal.expected(this.session);
  }

  /** Whether the user of `session` is signed in; their session may have been renewed meanwhile. */
  #isStill({ person, subject }) {
    return this.session !== undefined && this.session.person === person && this.session.subject === subject;
  }

  /** Renews the sign-in without the user, if it expires soon and no earlier attempt has failed. */
  async renewIfDue() {
    const { session } = this;
    if (!session || !this.renewal.due(session, this.secondsLeft())) return;
    const renewed = await this.renewal.renew(session);
    if (renewed && this.session === session) this.sessions.keep(renewed); // unless the user has signed out meanwhile
  }

  /**
   * Completes a sign-in, or restores the session from before a reload.
   *
   * @param {object | undefined} response the result of `takeAuthorizationResponse`
   */
  async start(response) {
    const hadSession = this.sessions.kept();
    const before = this.sessions.restore();
    this.expired = hadSession && !before;
    if (response) await this.#complete(response);
    else if (!hadSession) await this.#signInSilently();
    this.#changed();
    if (this.session) await (this.#resumed = this.#resume());
  }

  async signIn() {
    if (this.signingIn) return;
    this.signingIn = true;
    this.signInError = undefined;
    this.#changed();
    if (this.location.hash) this.tabStorage.setItem(ADDRESS, this.location.hash);
    try {
      await beginSignIn(this.configuration, this.pendingSignIn, this.location);
    } catch (error) {
      this.signingIn = false;
      this.#fail(error);
      this.#changed();
    }
  }

  /** Removes all data here and in the other tabs, then ends the session at IDaaS. */
  async signOut() {
    this.otherTabs.postMessage(SIGNED_OUT);
    await this.#forget();
    this.location.assign(logoutUrl(this.configuration));
  }

  /** The browser has restored the page, such as by "back" from the sign-in page. */
  comeBack() {
    this.signingIn = false;
    this.#changed();
  }

  /** Sends a question, once it is known whether the agent keeps the conversation. */
  async ask(question, files) {
    await this.#resumed?.catch(() => {});
    return this.chat.send(question, files);
  }

  /** Whether an image can be attached to a question: of a conversation that the agent keeps, where its model takes images. */
  get takesImages() {
    return this.conversations.available && this.files.taken;
  }

  /** The bytes of a file of the conversation that is shown. */
  file(id) {
    return this.files.read(this.chat.thread, id);
  }

  askAgain() {
    return this.chat.askAgain();
  }

  /** Shows another version of a question. If that is refused, the conversation as it is. */
  async showVersion(version) {
    const { thread } = this.chat;
    await this.chat.showVersion(version).catch(() => this.openConversation(thread)).catch(() => {});
  }

  /** Declines what the agent waits for, in these words, which are given back if that is refused. */
  async decline(words) {
    const { chat } = this;
    const [approval] = chat.approvals;
    if (approval === undefined) { // its time has passed meanwhile
      chat.giveBack(words);
      return;
    }
    const { answer } = chat.turns.at(-1);
    const decision = chat.rejection(words);
    await this.decide(approval, decision);
    if (answer.approvals && answer.failure && decision.message) chat.giveBack(words);
  }

  /** The user went back or forward to another address. */
  async addressChanged() {
    const approval = approvalIn(this.location.hash);
    if (approval && this.session) {
      this.#address();
      return this.openApproval(approval);
    }
    const thread = threadIn(this.location.hash);
    if (!this.session || !this.conversations.available || (thread ?? '') === (this.#addressed ?? '')) return;
    if (thread === undefined) return this.newConversation();
    return this.openConversation(thread).catch(() => this.#address());
  }

  /**
   * Shows what a link to an approval names: the user's own conversation, or, by an `approval` event, the call of another
   * person or a prepared run. Nothing is decided by it.
   */
  async openApproval(id) {
    const { session } = this;
    await this.inbox.refresh();
    if (!this.#isStill(session)) return;
    const own = this.inbox.own.find((each) => each.id === id);
    if (own) await this.openConversation(own.thread_id).catch(() => {});
    else this.dispatchEvent(new CustomEvent('approval', { detail: id }));
  }

  /** Decides about a call of another person, or a prepared run, whose conversation is shown. Raises `AgentFailure`. */
  async decideForAnother(approval, decision) {
    await this.inbox.decide(approval, decision);
    this.otherTabs.postMessage(CHANGED);
    if (approval.kind === 'prepared_run' && decision.decision === 'approve') await this.openConversation(approval.id);
  }

  /** Ends a run that waits for another person. */
  async withdrawRequest() {
    const { thread } = this.chat;
    await this.threads.cancel(thread);
    await this.openConversation(thread);
    this.#conversationChanged();
  }

  /** `gone`: in place of one that does not exist any more. */
  newConversation({ gone = false } = {}) {
    this.chat.clear(this.conversations.available ? crypto.randomUUID() : undefined, { gone });
  }

  /** The computer is on the network again: what others have changed meanwhile is read. */
  backOnline() {
    if (!this.session || !this.conversations.available) return;
    this.conversations.refresh();
    this.inbox.refresh();
  }

  /** Shows one of the user's conversations. A run that goes on in it is followed; this does not wait for its end. */
  async openConversation(id) {
    const { session } = this;
    const kept = await this.threads.read(id).catch((error) => { if (error.status !== 404) throw error; });
    if (!this.#isStill(session)) return;
    if (!kept) this.newConversation({ gone: true });
    else this.#show(kept);
  }

  /** Deletes one of the user's conversations; it can be restored from the list. */
  async removeConversation(id) {
    if (id === this.chat.thread) this.newConversation();
    await this.conversations.remove(id);
  }

  /** Answers an approval that the conversation waits for. One that was answered elsewhere is closed. */
  async decide(approval, decision) {
    const { chat, session } = this;
    const { thread } = chat;
    await chat.decide(approval, decision);
    if (chat.thread !== thread || !DECIDED.includes(chat.turns.at(-1)?.answer.failure?.code)) return;
    const kept = await this.threads.read(thread).catch(() => undefined);
    const still = kept?.approvals.some(({ id }) => id === approval.id);
    if (!kept || still || !this.#isStill(session) || chat.thread !== thread) return;
    const { code, decidedAt, decidedOn } = chat.turns.at(-1).answer.failure;
    this.#show(kept);
    if (code === DECIDED[0]) chat.remark(decidedAt ?? Date.parse(kept.updated_at), decidedOn);
  }

  async chooseLanguage(code) {
    this.language = await chooseLanguage(code, this.languageStorage);
    this.language.titles = this.titles;
    this.#changed();
  }

  async #complete(response) {
    try {
      this.sessions.keep(await completeSignIn(response, this.configuration, this.pendingSignIn));
      this.expired = false;
    } catch (error) {
      // A response that this tab did not request has no effect on a signed-in user.
      if (!this.session) this.#fail(error);
    }
  }

  async #openLast({ person }) {
    const left = this.tabStorage.getItem(ADDRESS) ?? '';
    this.tabStorage.removeItem(ADDRESS);
    const { hash } = this.location;
    const thread = threadIn(hash) ?? threadIn(left) ?? this.lastThread.of(person);
    const approval = approvalIn(hash) ?? approvalIn(left);
    this.#addressed = thread;
    this.newConversation();
    if (thread) await this.openConversation(thread).catch(() => {});
    if (approval) await this.openApproval(approval);
  }

  /** The agent could not be reached when the page was loaded. */
  #arrive() {
    const { chat, session, conversations } = this;
    if (!this.#withoutAgent || !conversations.available || !session || chat.busy || chat.turns.length > 0) return;
    this.#withoutAgent = false;
    this.#resumed = this.#arriveFor(session);
    this.dispatchEvent(new Event('arrived'));
  }

  async #arriveFor(session) {
    const { chat, inbox, files, titles } = this;
    await titles.read(this.request);
    if (!this.#isStill(session)) return; // signed out in another tab meanwhile
    inbox.watch();
    files.learn();
    if (!chat.busy && chat.turns.length === 0) await this.#openLast(session);
  }

  #show(kept) {
    this.watch.seen(kept);
    this.chat.open(kept);
  }

  async #resume() {
    const { session } = this;
    await Promise.all([this.conversations.watch(), this.titles.read(this.request)]);
    if (!this.#isStill(session)) return; // signed out in another tab meanwhile
    if (this.conversations.available) {
      this.inbox.watch();
      this.files.learn();
      await this.#openLast(session);
      return;
    }
    this.#withoutAgent = true;
    const turns = await this.kept.restore(session.person);
    if (!this.#isStill(session)) return; // signed out in another tab meanwhile
    this.chat.restore(turns);
  }

  /** Without the user, if IDaaS has a session for this browser: a new tab asks before it shows the sign-in. */
  async #signInSilently() {
    this.checking = true;
    this.#changed();
    const asked = this.renewal.begin().then((session) => {
      if (!session || this.session || this.signingIn) return;
      this.sessions.keep(session);
      if (this.checking) return;
      this.#changed(); // it was late
      this.#resumed = this.#resume();
    });
    let late;
    await Promise.race([asked, new Promise((resolve) => { late = setTimeout(resolve, SILENT_MS); })]);
    clearTimeout(late);
    this.checking = false;
  }

  /** The address names the conversation, so that it can be opened again, and left with the browser's buttons. */
  #address() {
    const { chat, location, history } = this;
    if (!this.conversations.available) return;
    const thread = chat.turns.length > 0 ? chat.thread : undefined;
    const hash = thread === undefined ? '' : `#conversation=${thread}`;
    const moved = this.#addressed !== undefined && this.#addressed !== chat.thread;
    this.#addressed = chat.thread;
    if (location.hash === hash) return;
    if (moved) history.pushState(null, '', location.pathname + location.search + hash);
    else history.replaceState(null, '', location.pathname + location.search + hash);
  }

  #ask({ thread, messages, signal }) {
    const input = { threadId: thread ?? crypto.randomUUID(), messages, kept: thread !== undefined };
    return startRun({ url: `${this.configuration.agentUrl}/ag-ui/agent`, accessToken: this.session.accessToken, input, signal });
  }

  #keep() {
    const { session, chat } = this;
    if (!session) return;
    if (chat.thread === undefined) this.kept.keep(session.person, chat.turns);
    else this.lastThread.keep(session.person, chat.thread);
  }

  #conversationChanged() {
    if (!this.conversations.available) return;
    this.watch.changedHere();
    this.otherTabs.postMessage(CHANGED);
    this.conversations.refresh();
  }

  async #forget() {
    const person = this.session?.person;
    this.sessions.clear();
    this.chat.forget();
    this.conversations.leave();
    this.inbox.leave();
    this.lastThread.forget();
    this.drafts.forget();
    this.tabStorage.removeItem(ADDRESS);
    this.#addressed = undefined;
    if (this.location.hash) this.history.replaceState(null, '', this.location.pathname + this.location.search);
    this.expired = false;
    this.#changed();
    await this.kept.forget(person);
  }

  #fail(error) {
    this.signInError = error instanceof SignInError ? error : new SignInError('failed');
    console.error(error); // contains no secret: messages of the page, of the browser, and IDaaS's description of a refusal
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** The conversation that an address names. */
function threadIn(hash) {
  return hash.match(/^#conversation=([A-Za-z0-9_-]{1,64})$/)?.[1];
}

/** The approval that an address names, such as that of a message on another channel. */
function approvalIn(hash) {
  return hash.match(/^#approval=([A-Za-z0-9_-]{1,64})$/)?.[1];
}
