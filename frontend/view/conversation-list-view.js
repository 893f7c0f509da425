/** The list of conversations: those that wait for the user first. Search, rename, delete and undo. */

import { element } from './element.js';
import { icon } from './icon.js';

export class ConversationListView {
  #renaming;
  #shown = '';

  /**
   * @param {import('../application.js').Application} app
   * @param {AbortSignal} signal ends the observation
   */
  constructor(app, signal) {
    const { language, conversations } = app;
    Object.assign(this, { app, language });
    this.search = element('input', {
      'type': 'search', 'placeholder': language.text('list.search'), 'aria-label': language.text('list.search'),
      'oninput': () => conversations.find(this.search.value.trim()),
    });
    this.list = element('ul', {});
    this.undo = element('div', { class: 'card notice', role: 'status', hidden: true });
    this.element = element('details', { class: 'conversations', open: matchMedia('(min-width: 70rem)').matches, hidden: true },
      element('summary', {}, icon('list'), language.text('list.title'), this.count = element('span', { class: 'count' })),
      element('div', { class: 'panel' }, this.search, this.list, this.undo));
    conversations.addEventListener('change', () => this.update(), { signal });
    app.chat.addEventListener('turns', () => this.update(), { signal });
    this.update();
  }

  update() {
    const { conversations, chat } = this.app;
    const { inOrder, available, deleted } = conversations;
    const state = JSON.stringify([inOrder, available, deleted, chat.thread, this.#renaming]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.hidden = !available;
    const waiting = inOrder.reduce((sum, { pending_approvals: count }) => sum + count, 0);
    this.count.textContent = waiting > 0 ? this.language.text('list.waiting', { count: waiting }) : '';
    this.list.replaceChildren(...inOrder.map((each) => this.#item(each)));
    if (inOrder.length === 0) this.list.append(element('li', { class: 'note' }, this.language.text('list.empty')));
    this.undo.hidden = !deleted;
    if (deleted) {
      this.undo.replaceChildren(element('span', {}, this.language.text('list.deleted', { title: this.#title(deleted) })),
        this.#button('chat.undo', async () => this.#open(await conversations.undo())));
    }
    this.list.querySelector('input')?.focus();
  }

  #item(thread) {
    const { id, status, pending_approvals: waiting } = thread;
    if (id === this.#renaming) return this.#renameItem(thread);
    const { language, app } = this;
    const title = this.#title(thread);
    const current = id === app.chat.thread;
    return element('li', { class: current && 'current' },
      element('button', { 'type': 'button', 'class': 'open', 'aria-current': current && 'true', 'onclick': () => this.#open(id) },
        element('span', { class: 'title' }, title),
        waiting > 0 && element('span', { class: 'badge badge-waiting' }, language.text('list.waits')),
        status === 'running' && element('span', { class: 'spinner', title: language.text('list.running') })),
      this.#iconButton('edit', 'list.rename', title, () => this.#rename(id)),
      this.#iconButton('trash', 'list.delete', title, () => app.removeConversation(id).catch(() => {})));
  }

  #renameItem({ id, title }) {
    const input = element('input', { 'type': 'text', 'maxlength': 200, 'value': title ?? '', 'aria-label': this.language.text('list.new_title') });
    const end = (event) => {
      event.preventDefault();
      this.#renaming = undefined;
      this.app.conversations.rename(id, input.value).catch(() => this.update());
    };
    input.addEventListener('keydown', ({ key }) => { if (key === 'Escape') this.#rename(undefined); });
    return element('li', {}, element('form', { onsubmit: end }, input, element('button', { type: 'submit', class: 'quiet' }, this.language.text('list.save'))));
  }

  #rename(id) {
    this.#renaming = id;
    this.update();
  }

  #open(id) {
    if (!matchMedia('(min-width: 70rem)').matches) this.element.open = false;
    return this.app.openConversation(id).catch(() => {});
  }

  #title({ title }) {
    return title || this.language.text('list.untitled');
  }

  #button(label, onclick) {
    return element('button', { type: 'button', class: 'quiet', onclick }, this.language.text(label));
  }

  #iconButton(name, label, title, onclick) {
    const text = this.language.text(label, { title });
    return element('button', { 'type': 'button', 'class': 'quiet small', 'title': text, 'aria-label': text, onclick }, icon(name));
  }
}
