/** The list of conversations: those that wait first, then by days. A new one, search, more on demand, rename, delete and undo. */

import { dayGroup, DAY_GROUPS } from './calendar.js';
import { ConversationItem } from './conversation-item.js';
import { arrange, element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';

/** A pause in typing, after which the search is sent. */
const PAUSE_MS = 200;
/** Those that wait for a decision, and then those of the days. */
const GROUPS = ['waiting', ...DAY_GROUPS];
const wide = () => matchMedia('(min-width: 70rem)');

export class ConversationListView {
  #shown = '';
  #items = new Map();
  #groups = new Map();
  #typing;
  #announced = '';

  /**
   * @param {import('../application.js').Application} app
   * @param {AbortSignal} signal ends the observation
   * @param {() => void} begin begins a new conversation
   */
  constructor(app, signal, begin) {
    const { language, conversations } = app;
    Object.assign(this, { app, language });
    this.search = element('input', {
      'type': 'search', 'placeholder': language.text('list.search'), 'aria-label': language.text('list.search'),
      'value': conversations.search, 'oninput': () => this.#find(),
    });
    this.begin = element('button', { type: 'button', class: 'quiet new', onclick: begin }, icon('plus'), language.text('chat.new'));
    this.list = element('div', { 'class': 'groups', 'role': 'group', 'aria-label': language.text('list.title') });
    this.empty = element('p', { class: 'note' });
    this.moreButton = element('button', { type: 'button', class: 'quiet', onclick: () => this.#showMore() }, icon('down'), language.text('list.more'));
    this.more = element('p', { class: 'more' }, this.moreButton);
    this.undo = element('div', { class: 'card notice', role: 'status' });
    this.status = element('p', { class: 'visually-hidden', role: 'status' });
    this.failure = element('p', { class: 'problem', role: 'alert' });
    this.count = element('span', { class: 'count' });
    this.summary = element('summary', {}, icon('list'), element('span', { class: 'label' }, language.text('list.title')), this.count);
    this.element = element('details', { class: 'conversations', open: wide().matches, hidden: true },
      this.summary, element('div', { class: 'panel' }, this.begin, this.search, this.list, this.failure, this.undo, this.status));
    this.#loadAtEnd(signal);
    this.list.addEventListener('keydown', (event) => this.#move(event));
    this.element.addEventListener('keydown', ({ key, isComposing, defaultPrevented }) => { if (key === 'Escape' && !isComposing && !defaultPrevented) this.#fold(); });
    wide().addEventListener('change', ({ matches }) => { this.element.open = matches; }, { signal });
    conversations.addEventListener('change', () => this.update(), { signal });
    app.inbox.addEventListener('change', () => this.update(), { signal });
    app.chat.addEventListener('turns', () => this.update(), { signal });
    this.update();
  }

  update() {
    const { conversations, chat, inbox } = this.app;
    const { available, deleted, more, search } = conversations;
    const inOrder = conversations.inOrder.map((thread) => ({ ...thread, group: groupOf(thread), ofAnother: inbox.ofAnother(thread.id) }));
    const state = JSON.stringify([inOrder, available, deleted, more, search, chat.thread]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.hidden = !available;
    const waiting = inOrder.filter(({ ofAnother }) => ofAnother !== 'open').reduce((sum, { pending_approvals: count }) => sum + count, 0);
    this.count.textContent = waiting > 0 ? this.language.text('list.waiting', { count: waiting }) : '';
    this.#items = new Map(inOrder.map(({ id }) => [id, this.#items.get(id) ?? this.#newItem()]));
    for (const thread of inOrder) this.#items.get(thread.id).update(thread, thread.id === chat.thread);
    this.empty.textContent = this.language.text(search === '' ? 'list.empty' : 'list.none_found');
    this.#arrange(inOrder, more);
    this.#showUndo(deleted);
    this.#announce(search, inOrder.length, more);
  }

  /** Shows the entries in their groups. An entry that moves into another group keeps the focus. */
  #arrange(inOrder, more) {
    const focused = document.activeElement;
    const shown = GROUPS.filter((name) => inOrder.some(({ group }) => group === name));
    arrange(this.list, [...shown.map((name) => this.#group(name).element), inOrder.length === 0 && this.empty, more && this.more].filter(Boolean));
    for (const name of shown) {
      const entries = inOrder.filter(({ group }) => group === name).map(({ id }) => this.#items.get(id).element);
      arrange(this.#group(name).list, entries);
    }
    if (document.activeElement !== focused && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }

  #group(name) {
    if (!this.#groups.has(name)) {
      const id = `conversations-${name}`;
      const list = element('ul', { 'aria-labelledby': id });
      const label = element('p', { id, class: 'group' }, this.language.text(`list.group_${name}`));
      this.#groups.set(name, { list, element: element('div', {}, label, list) });
    }
    return this.#groups.get(name);
  }

  #newItem() {
    const { conversations } = this.app;
    return new ConversationItem(this.language, {
      open: (id) => this.#open(id),
      rename: (id, title) => this.#try(conversations.rename(id, title)),
      remove: (id) => this.#remove(id),
    });
  }

  #find() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.app.conversations.find(this.search.value.trim()), PAUSE_MS);
  }

  /** Puts the focus on the first of the conversations that were added. */
  async #showMore() {
    const before = new Set(this.#items.keys());
    await this.app.conversations.showMore();
    const added = [...this.#items.keys()].find((id) => !before.has(id));
    if (added !== undefined) this.#items.get(added).focus();
  }

  /** The end of the list loads more when it is scrolled to. With the focus on it, the button does. */
  #loadAtEnd(signal) {
    const observer = new IntersectionObserver(([{ isIntersecting: seen }]) => {
      if (seen && document.activeElement !== this.moreButton) this.app.conversations.showMore();
    }, { root: this.list, rootMargin: '200px' });
    observer.observe(this.more);
    signal.addEventListener('abort', () => observer.disconnect());
  }

  /** The focus goes to the next conversation. */
  async #remove(id) {
    const ids = [...this.#items.keys()];
    const at = ids.indexOf(id);
    await this.#try(this.app.removeConversation(id));
    const next = this.#items.get(ids[at + 1]) ?? this.#items.get(ids[at - 1]);
    if (this.#items.has(id) || !document.activeElement?.matches('body')) return;
    (next ?? this.search).focus();
  }

  async #undo() {
    const id = await this.app.conversations.undo();
    await this.#open(id);
    this.#items.get(id)?.focus();
  }

  #showUndo(deleted) {
    const state = JSON.stringify(deleted ?? null);
    if (this.undo.dataset.shown === state) return;
    this.undo.dataset.shown = state;
    if (!deleted) {
      this.undo.replaceChildren();
      return;
    }
    const title = deleted.title || this.language.text('list.untitled');
    this.undo.replaceChildren(element('span', {}, this.language.text('list.deleted', { title })),
      element('button', { type: 'button', class: 'quiet', onclick: () => this.#try(this.#undo()) }, this.language.text('chat.undo')));
  }

  /** Shows why an action failed. The list then is as it was. */
  async #try(action) {
    this.failure.textContent = '';
    try {
      await action;
    } catch (error) {
      const { symptom, remedy } = failureWords(this.language, error);
      this.failure.textContent = this.language.sentences(this.language.sentence(symptom), this.language.sentence(remedy));
      this.#shown = '';
      this.app.conversations.refresh();
    }
  }

  #announce(search, count, more) {
    if (search === this.#announced) return;
    this.#announced = search;
    this.status.textContent = search === '' ? '' : this.language.text(more ? 'list.found_more' : 'list.found', { count });
  }

  /** The arrow keys up and down move the focus between conversations; `ConversationItem` has the keys within one. */
  #move(event) {
    const entries = [...this.list.querySelectorAll('.open')];
    const at = entries.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    entries[to]?.focus();
  }

  /** Where the panel covers the conversation, Esc folds it. */
  #fold() {
    if (wide().matches || !this.element.open) return;
    this.element.open = false;
    this.summary.focus();
  }

  #open(id) {
    if (!wide().matches && this.element.open) {
      this.element.open = false;
      this.summary.focus(); // the focus would be lost with the list
    }
    return this.#try(this.app.openConversation(id));
  }
}

function groupOf({ pending_approvals: waiting, updated_at: changed }) {
  return waiting > 0 ? GROUPS[0] : dayGroup(Date.parse(changed));
}
