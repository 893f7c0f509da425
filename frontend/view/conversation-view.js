/** The conversation on the page: turns, the chain of the last answer, the composer, and the announcements for screen readers. */

import { answerText } from '../chat/conversation.js';
import { ChainView } from './chain.js';
import { Composer } from './composer.js';
import { ConversationListView } from './conversation-list-view.js';
import { element } from './element.js';
import { TurnView } from './answer.js';
import { failureWords } from './failure.js';
import { firstQuestions } from './first-questions.js';
import { EXPIRES_SOON } from './header.js';
import { icon } from './icon.js';
import { plainText } from './markdown.js';
import { Notice } from './notice.js';

const NEAR_END_PX = 140;

export class ConversationView {
  #turns = [];
  #observing = new AbortController();
  #frame;
  #lastStatus;
  #draftBeforeEdit = '';

  /** @param {import('../application.js').Application} app */
  constructor(app) {
    const { language, chat, session } = app;
    this.app = app;
    this.language = language;
    const send = (question) => app.ask(question);
    this.composer = new Composer(language, { send, stop: () => chat.stop(), cancel: () => this.#cancelEdit() }, app.draft);
    this.notice = new Notice(language, { cancel: () => this.#cancelEdit(), undo: () => this.#undo() });
    this.chain = new ChainView(language, session, app.name, this.#observing.signal);
    this.first = firstQuestions(language, app.suggestions, send);
    this.list = element('ol', { class: 'turns' });
    this.status = element('p', { class: 'visually-hidden', role: 'status' });
    this.expiry = element('div', { class: 'card expiry', role: 'status', hidden: true });
    this.latest = element('button', { type: 'button', class: 'latest', hidden: true, onclick: () => this.#scrollToEnd() },
      icon('down'), language.text('chat.latest'));
    this.conversations = new ConversationListView(app, this.#observing.signal);
    this.element = element('main', { class: 'chat' },
      this.conversations.element,
      this.chain.element,
      element('section', { 'class': 'conversation', 'aria-label': language.text('chat.label') }, this.first, this.list),
      element('div', { class: 'foot' }, this.latest, this.expiry, this.notice.element, this.composer.element),
      this.status);

    const { signal } = this.#observing;
    chat.addEventListener('turns', () => this.#update({ follow: true }), { signal });
    chat.addEventListener('answer', () => this.#scheduleUpdate(), { signal });
    addEventListener('scroll', () => this.#showLatest(), { signal, passive: true });
    this.#update({ follow: true });
  }

  /** Stops observing. Call it before the view is replaced. */
  leave() {
    this.#observing.abort();
    cancelAnimationFrame(this.#frame);
  }

  /** Puts the focus into the composer, after a sign-in. */
  focus() {
    this.composer.input.focus({ preventScroll: true });
  }

  /** Once a second. @param {number} seconds until the sign-in expires */
  tick(seconds) {
    this.#turns.at(-1)?.tick();
    this.#updateExpiry(seconds);
  }

  #updateExpiry(seconds) {
    const { language, app } = this;
    const soon = seconds <= EXPIRES_SOON && (seconds <= 0 || !app.renewsItself);
    if (soon && this.expiry.hidden) {
      this.expiryText = element('span');
      this.expiry.replaceChildren(icon('alert'), this.expiryText, element('button', {
        type: 'button', class: 'primary', onclick: () => app.signIn(),
      }, language.text('account.renew')), element('span', { class: 'note' }, language.text('account.renew_note')));
      this.expiryText.textContent = language.text('account.expires_soon');
    }
    this.expiry.hidden = !soon;
    const expired = seconds <= 0;
    if (expired !== this.expired) {
      this.expired = expired;
      if (expired) this.expiryText.textContent = language.text('account.expired');
      this.#updateComposer();
    }
  }

  /** At most one update for each animation frame. */
  #scheduleUpdate() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#update({ follow: this.#atEnd() });
    });
  }

  #update({ follow }) {
    const { turns, editing, busy } = this.app.chat;
    while (this.#turns.length > 0 && this.#turns.at(-1).turn !== turns[this.#turns.length - 1]) {
      this.#turns.pop().element.remove();
    }
    for (const turn of turns.slice(this.#turns.length)) {
      const view = new TurnView(this.language, turn, {
        signIn: () => this.app.signIn(), decide: (approval, decision) => this.app.decide(approval, decision), askAgain: () => this.app.askAgain(), edit: () => this.#edit(),
        announce: (text) => { this.status.textContent = text; },
      });
      this.#turns.push(view);
      this.list.append(view.element);
    }
    this.#turns.forEach((view, index) => view.update(index === turns.length - 1, editing && !busy && index === turns.length - 1));
    this.first.hidden = turns.length > 0;
    this.list.hidden = turns.length === 0;
    this.chain.update(turns.at(-1));
    this.notice.update(this.app.chat);
    this.#updateComposer();
    this.#announce(turns.at(-1));
    if (follow && turns.length > 0) this.#scrollToEnd();
    this.#showLatest();
  }

  #updateComposer() {
    const { busy, approvals } = this.app.chat;
    this.composer.update({ busy, enabled: !this.expired, waits: approvals.length > 0 });
  }

  #edit() {
    const question = this.app.chat.edit();
    if (question === undefined) return;
    this.#draftBeforeEdit = this.composer.draft;
    this.composer.write(question);
  }

  #cancelEdit() {
    if (!this.app.chat.editing) return;
    this.app.chat.stopEditing();
    this.composer.write(this.#draftBeforeEdit);
  }

  #undo() {
    this.app.chat.undo();
    this.focus();
  }

  /** Announces to screen readers the beginning of an answer and the complete answer, not each piece. */
  #announce(turn) {
    const status = turn?.answer.status;
    if (status === this.#lastStatus) return;
    const before = this.#lastStatus;
    this.#lastStatus = status;
    if (status === 'streaming') this.status.textContent = this.language.text('chat.status_asking');
    else if (status === 'waiting') this.status.textContent = this.language.text('approval.announced');
    else if (before === 'streaming') this.status.textContent = this.#ended(turn.answer);
  }

  #ended(answer) {
    const { language } = this;
    if (answer.status === 'done') return language.text('chat.status_done', { text: plainText(answerText(answer)) });
    if (answer.status === 'stopped') return language.text('chat.status_stopped');
    return language.text('chat.status_failed', failureWords(language, answer.failure));
  }

  #atEnd() {
    const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
    return scrollHeight - clientHeight - scrollTop < NEAR_END_PX;
  }

  #showLatest() {
    this.latest.hidden = this.#atEnd();
  }

  #scrollToEnd() {
    document.documentElement.scrollTop = document.documentElement.scrollHeight;
  }
}
