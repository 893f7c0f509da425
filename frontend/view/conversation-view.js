/** The conversation on the page: turns, the chain of the last answer, the composer, and the announcements for screen readers. */

import { answerText } from '../chat/conversation.js';
import { ChainView } from './chain.js';
import { Composer } from './composer.js';
import { ConversationListView } from './conversation-list-view.js';
import { EarlierMessages } from './earlier-messages.js';
import { arrange, element } from './element.js';
import { endNote } from './answer-end.js';
import { TurnView } from './answer.js';
import { failureWords, Refusal } from './failure.js';
import { firstQuestions } from './first-questions.js';
import { EXPIRES_SOON } from './header.js';
import { icon } from './icon.js';
import { mayDo } from './may-do.js';
import { plainText } from './markdown.js';
import { editNote, Notice } from './notice.js';
import { offlineNotice } from './offline.js';

const NEAR_END_PX = 140;
/** Such as a window at a zoom of 400 %. */
const LOW = '(max-height: 24rem)';

export class ConversationView {
  #turns = [];
  #observing = new AbortController();
  #frame;
  #announced = {};
  #shown = {};
  #card;
  #refusedWords;
  #draftOf;

  /**
   * @param {import('../application.js').Application} app
   * @param {{openRights: () => void}} views
   */
  constructor(app, { openRights }) {
    const { language, chat, session } = app;
    this.app = app;
    this.language = language;
    const send = (question, files) => {
      this.#cancelEdit(); // what is written here is a question of its own
      return app.ask(question, files);
    };
    this.composer = new Composer(language, {
      send, decline: (words) => app.decline(words), approve: (approval) => this.#approve(approval), offered: () => this.#shownCard?.show(), stop: () => chat.stop(), cancel: () => this.#cancelEdit(), written: (text) => { app.draft = text; }, announce: (text) => { this.status.textContent = text; },
    }, app.draft);
    this.notice = new Notice(language, { undo: () => this.#undo(), unqueue: () => this.composer.write(chat.unqueue()) });
    this.refusal = new Refusal(language, { signIn: () => app.signIn() });
    this.chain = new ChainView(language, session, app.name, this.#observing.signal);
    this.first = firstQuestions(language, app.suggestions, send, mayDo(app, openRights, this.#observing.signal));
    this.list = element('ol', { class: 'turns' });
    this.earlier = new EarlierMessages(language, chat, (count) => this.#earlierShown(count));
    this.status = element('p', { class: 'visually-hidden', role: 'status' });
    this.expiry = element('div', { class: 'card expiry', role: 'status' });
    this.latest = element('button', { type: 'button', class: 'latest', hidden: true, onclick: () => this.#scrollToEnd() },
      icon('down'), language.text('chat.latest'));
    this.conversations = new ConversationListView(app, this.#observing.signal, () => this.begin());
    this.element = element('main', { class: 'chat' },
      this.conversations.element,
      this.chain.element,
      this.section = element('section', { 'class': 'conversation', 'aria-label': language.text('chat.label'), 'tabindex': -1 },
        this.earlier.element, this.first, this.list),
      this.foot = element('div', { class: 'foot' }, this.latest, offlineNotice(language, this.#observing.signal, () => app.backOnline()), this.expiry, this.refusal.element, this.notice.element, this.composer.element),
      this.status);

    const { signal } = this.#observing;
    chat.addEventListener('turns', () => this.#update({ follow: this.#isNews() || this.#atEnd() }), { signal });
    chat.addEventListener('answer', () => this.#scheduleUpdate(), { signal });
    chat.addEventListener('given_back', ({ detail: { question, files } }) => {
      if (chat.editing) this.#refusedWords = question; // back into the field where it was edited
      else this.composer.giveBack(question, files);
    }, { signal });
    chat.addEventListener('taken', ({ detail }) => this.composer.taken(detail), { signal });
    app.inbox.addEventListener('change', () => this.#scheduleUpdate(), { signal });
    addEventListener('scroll', () => this.#showLatest(), { signal, passive: true });
    const { style } = document.documentElement;
    const growth = new ResizeObserver(() => { // what is written, or is sent later, covers nothing
      style.setProperty('--foot', `${this.foot.offsetHeight}px`);
      if (this.composer.offers) this.#shownCard?.show();
      else if (!this.list.hidden && this.#atEnd()) this.#scrollToEnd();
    });
    growth.observe(this.foot);
    signal.addEventListener('abort', () => {
      growth.disconnect();
      style.removeProperty('--foot');
    });
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

  /** Begins a new conversation, whose question can be written at once. */
  begin() {
    this.app.newConversation();
    this.focus();
  }

  /** Once a second. @param {number} seconds until the sign-in expires */
  tick(seconds) {
    this.#turns.at(-1)?.tick();
    this.refusal.tick();
    this.#updateExpiry(seconds);
    this.#updateComposer();
  }

  #updateExpiry(seconds) {
    const { language, app } = this;
    const soon = seconds <= EXPIRES_SOON && (seconds <= 0 || !app.renewsItself);
    if (soon && this.expiry.childElementCount === 0) {
      this.expiryText = element('span');
      this.expiry.replaceChildren(icon('alert'), this.expiryText, element('button', {
        type: 'button', class: 'primary', onclick: () => app.signIn(),
      }, language.text('account.renew')), element('span', { class: 'note' }, language.text('account.renew_note')));
      this.expiryText.textContent = language.text('account.expires_soon');
    }
    if (!soon) this.expiry.replaceChildren();
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

  /** Whether another conversation is shown than before, or another last turn. */
  #isNews() {
    const { thread, turns } = this.app.chat;
    const last = turns.at(-1)?.id;
    const news = thread !== this.#shown.thread || last !== this.#shown.last;
    this.#shown = { thread, last };
    return news;
  }

  #update({ follow }) {
    const { turns, editing, busy, approvals } = this.app.chat;
    const inCard = this.#card?.element.contains(document.activeElement);
    const fromEnd = document.documentElement.scrollHeight - document.documentElement.scrollTop;
    const grown = this.#turns.length > 0 && turns.findIndex(({ id }) => id === this.#turns[0].turn.id) > 0;
    const views = new Map(this.#turns.map((view) => [view.turn.id, view]));
    this.#turns = turns.map((turn) => views.get(turn.id) ?? this.#newTurn(turn));
    arrange(this.list, this.#turns.map((view) => view.element));
    this.#turns.forEach((view, index) => {
      const last = index === turns.length - 1;
      view.update(turns[index], last, editing?.id === turns[index].id && !busy, !busy && !editing && approvals.length === 0);
    });
    this.earlier.update();
    const begins = turns.length === 0 && this.first.hidden;
    this.first.hidden = turns.length > 0;
    this.list.hidden = turns.length === 0;
    this.chain.update(turns.at(-1));
    this.notice.update(this.app.chat);
    this.refusal.update(this.app.chat);
    this.#updateComposer();
    this.#announce(turns.at(-1));
    if (follow && turns.length > 0) this.#scrollToEnd();
    else if (begins) document.documentElement.scrollTop = 0;
    else if (grown) document.documentElement.scrollTop = document.documentElement.scrollHeight - fromEnd;
    this.#moveFocus(inCard);
    this.#showLatest();
  }

  #newTurn(turn) {
    const { app } = this;
    return new TurnView(this.language, turn, {
      signIn: () => app.signIn(),
      decide: (approval, decision) => app.decide(approval, decision),
      withdraw: () => app.withdrawRequest(),
      isDecided: (approval) => app.inbox.isDecided(approval),
      askAgain: () => app.askAgain(),
      goOn: () => app.chat.goOn(),
      showVersion: (version) => app.showVersion(version),
      edit: (edited) => app.chat.edit(edited),
      cancelEdit: () => this.#cancelEdit(),
      sendEdited: (words) => app.ask(words),
      editedWords: (edited) => this.#takeRefused() ?? edited.question,
      editNote: (edited) => editNote(this.language, app.chat, edited),
      announce: (text) => { this.status.textContent = text; },
      file: (id) => app.file(id),
    });
  }

  /** The focus goes to a card when it appears, and from a card that was decided into the composer. */
  #moveFocus(wasInCard) {
    const card = this.#shownCard;
    if (card === this.#card) return;
    this.#card = card;
    if (card && (wasInCard || this.#mayMoveFocus())) card.focus();
    else if (wasInCard) this.#settle();
  }

  /** Not while the user writes, or reads elsewhere. */
  #mayMoveFocus() {
    const at = document.activeElement;
    return at === document.body || (at === this.composer.input && this.composer.draft === '') || at.matches('.open, .conversations summary, .conversation, .question');
  }

  /** Into the composer; on a touch screen, where that opens the keyboard, onto the conversation. */
  #settle() {
    if (matchMedia('(pointer: coarse)').matches) this.section.focus({ preventScroll: true });
    else this.focus();
  }

  #earlierShown(count) {
    this.status.textContent = this.language.text('chat.earlier_shown', { count });
    if (!this.app.chat.hasEarlier) this.#turns[0].focus(); // the button, which had the focus, is hidden
  }

  #updateComposer() {
    const { app: { chat }, composer } = this;
    const { busy, approvals, queued } = chat;
    if (chat.thread !== this.#draftOf) {
      this.#draftOf = chat.thread;
      composer.put(this.app.draft);
    }
    if (queued !== undefined && !busy && approvals.length === 0) composer.put([chat.unqueue(), composer.draft].filter(Boolean).join('\n'));
    const waits = approvals.length > 0 && (approvals.some(({ approvers }) => approvers) ? 'another' : 'user');
    this.composer.update({ busy, images: this.app.takesImages, enabled: !this.expired, waits, approvable: this.#approvable });
  }

  get #shownCard() {
    return this.#turns.at(-1)?.cards[0];
  }

  /** The call that a "yes" means: the only one that the user is asked about, if its arguments are on the screen, and no fields for others. */
  get #approvable() {
    const { approvals } = this.app.chat;
    const [{ id, kind, approvers } = {}] = approvals;
    const isOneCall = approvals.length === 1 && kind === 'tool_call' && !approvers;
    const card = this.#shownCard;
    return isOneCall && card?.approval.id === id && card.opener === undefined ? approvals[0] : undefined;
  }

  #approve(approval) {
    if (approval.id !== this.#approvable?.id) {
      this.#updateComposer();
      this.#shownCard?.focus();
      return;
    }
    if (!this.#shownCard.isInSight) {
      this.#shownCard.show();
      return;
    }
    this.composer.write('');
    this.app.decide(approval, { decision: 'approve' });
  }

  #cancelEdit() {
    if (this.app.chat.editing) this.app.chat.stopEditing();
  }

  #takeRefused() {
    const words = this.#refusedWords;
    this.#refusedWords = undefined;
    return words;
  }

  #undo() {
    this.app.chat.undo();
    this.focus();
  }

  /**
   * Announces to screen readers the beginning of an answer and the complete answer, not each piece. A question that was given
   * back has no turn any more: its refusal announces itself.
   */
  #announce(turn) {
    const { thread } = this.app.chat;
    const { status, approvals = [] } = turn?.answer ?? {};
    const waits = approvals.map(({ id }) => id).join();
    const before = this.#announced;
    if (thread === before.thread && status === before.status && waits === before.waits) return;
    this.#announced = { thread, status, waits };
    if (status === 'streaming') this.status.textContent = this.language.text('chat.status_asking');
    else if (status === 'waiting') this.status.textContent = this.#waits(this.#turns.at(-1).cards[0]);
    else if (turn && before.status === 'streaming' && before.thread === thread) this.status.textContent = this.#ended(turn.answer);
  }

  #waits({ title, meaning, approval }) {
    if (approval.approvers) return this.language.sentences(this.language.sentence(title), meaning);
    if (approval.question) return this.language.sentences(this.language.sentence(title), approval.question.message);
    return this.language.text('approval.announced', { title });
  }

  #ended(answer) {
    const { language } = this;
    if (answer.status === 'done') {
      const note = endNote(answer);
      const done = language.text('chat.status_done', { text: plainText(answerText(answer)) });
      return language.sentences(done, note && language.text(note));
    }
    if (answer.status === 'stopped') return language.text('chat.status_stopped');
    return language.text('chat.status_failed', failureWords(language, answer.failure));
  }

  #atEnd() {
    const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
    return scrollHeight - clientHeight - scrollTop < NEAR_END_PX;
  }

  #showLatest() {
    this.latest.hidden = this.list.hidden || this.#atEnd();
  }

  /** In a low window with a card at the end, its title and its arguments are to be read before its buttons. */
  #scrollToEnd() {
    document.documentElement.scrollTop = document.documentElement.scrollHeight;
    const [card, ...others] = this.#turns.at(-1)?.cards ?? [];
    if (card?.opener === undefined && others.length === 0 && matchMedia(LOW).matches) card?.show();
  }
}
