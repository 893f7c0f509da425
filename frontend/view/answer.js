/** One turn of the conversation: the question, and the answer as it grows. */

import { answerText } from '../chat/conversation.js';
import { endNote, noticeTexts, unavailableNote } from './answer-end.js';
import { AnswerText } from './answer-text.js';
import { ApprovalCard } from './approval-card.js';
import { copyButton } from './copy-button.js';
import { element } from './element.js';
import { failureCard, retryWords } from './failure.js';
import { FileList } from './file-list.js';
import { icon } from './icon.js';
import { printable } from '../printable.js';
import { QuestionEditor } from './question-editor.js';
import { ToolCall } from './tool-call.js';

/** The model's thinking, folded, because it is not the answer. */
class Reasoning {
  constructor(language) {
    this.text = element('div', { class: 'reasoning-text' });
    this.element = element('details', { class: 'reasoning' },
      element('summary', {}, icon('chevron'), language.text('chat.thought')), this.text);
  }

  update({ text }) {
    const shown = printable(text);
    if (this.text.textContent.length !== shown.length) this.text.textContent = shown;
  }
}

const PARTS = { reasoning: Reasoning, text: AnswerText, tool: ToolCall };

export class TurnView {
  #parts = [];
  #ended = '';
  #waitingFor = 0;
  #approvalIds = '';
  #versions = '';
  cards = [];

  /**
   * @param {{signIn: () => void, askAgain: () => void, goOn: () => void, edit: (turn: object) => void, cancelEdit: () => void, sendEdited: (words: string) => void,
   *   editedWords: (turn: object) => string, editNote: (turn: object) => string, announce: (text: string) => void,
   *   showVersion: (version: number) => void, withdraw: () => Promise<void>, isDecided: (approval: object) => boolean, decide: (approval: object, decision: object) => void}} actions
   */
  constructor(language, turn, actions) {
    this.language = language;
    this.turn = turn;
    this.actions = actions;
    this.doing = element('span');
    this.waiting = element('p', { class: 'waiting' }, element('span', { class: 'spinner' }), this.doing);
    this.parts = element('div', { class: 'parts' });
    this.approvals = element('div', { class: 'approvals' });
    this.end = element('div', { class: 'end' });
    this.about = element('p', { class: 'about' });
    this.question = element('article', { 'class': 'question', 'aria-label': language.text('chat.you'), 'tabindex': -1 }, turn.question);
    this.files = new FileList(language, actions.file);
    this.asked = element('div', { class: 'asked' }, this.files.element, this.question, this.about);
    this.element = element('li', { class: 'turn' }, this.asked,
      element('article', { 'class': 'answer', 'aria-label': language.text('chat.agent') }, this.parts, this.waiting, this.approvals, this.end));
    this.update(turn, false);
  }

  /** Puts the focus on the question. */
  focus() {
    this.question.focus({ preventScroll: true });
  }

  /**
   * @param {import('../chat/conversation.js').Turn} turn the same one, perhaps as it was read again
   * @param {boolean} last whether this is the last turn, whose question can be asked again
   * @param {boolean} editing whether its question is being edited
   * @param {boolean} idle whether another version can be shown now
   */
  update(turn, last, editing = false, idle = false) {
    if (turn !== this.turn) this.#ended = '';
    this.turn = turn;
    const { parts, status, accepted, approvals = [], failure } = this.turn.answer;
    this.#updateApprovals(approvals, failure);
    this.files.update(this.turn.files);
    while (this.#parts.length > parts.length) this.#parts.pop().element.remove();
    parts.forEach((part, index) => {
      if (!(this.#parts[index] instanceof PARTS[part.type])) {
        const replaced = this.#parts[index];
        this.#parts[index] = new PARTS[part.type](this.language, this.actions);
        if (replaced) replaced.element.replaceWith(this.#parts[index].element);
        else this.parts.append(this.#parts[index].element);
      }
      this.#parts[index].update(part);
    });
    this.#hideAsked(parts);
    const quiet = parts.at(-1)?.type !== 'text' && parts.at(-1)?.outcome !== 'running';
    const onItsWay = status === 'streaming' && !accepted;
    this.waiting.hidden = status !== 'streaming' || !quiet;
    this.doing.textContent = this.language.text(onItsWay ? 'chat.sending' : 'chat.thinking');
    this.question.classList.toggle('on-its-way', onItsWay);
    this.element.setAttribute('aria-busy', String(status === 'streaming'));
    this.#edit(editing);
    this.#updateAbout(idle, last);
    const ended = `${status} ${accepted} ${last} ${editing} ${endNote(this.turn.answer)} ${this.turn.answer.at}`;
    if (ended !== this.#ended) {
      this.#ended = ended;
      this.end.replaceChildren(...(['streaming', 'waiting'].includes(status) ? [] : this.#ending(last && !editing)));
      this.tick();
    }
  }

  /** The question, or in its place a field with its words. */
  #edit(editing) {
    this.element.classList.toggle('in-edit', editing);
    if (editing === (this.editor !== undefined)) return;
    this.question.hidden = editing;
    this.about.hidden = editing;
    if (!editing) {
      const focused = this.editor.element.contains(document.activeElement);
      this.editor.element.remove();
      this.editor = undefined;
      if (focused) this.focus();
      return;
    }
    const { language, actions, turn } = this;
    this.editor = new QuestionEditor(language, actions.editedWords(turn), actions.editNote(turn), { send: actions.sendEdited, cancel: actions.cancelEdit });
    this.asked.append(this.editor.element);
    this.editor.enter();
  }

  #updateApprovals(approvals, failure) {
    const ids = approvals.map(({ id, digest }) => `${id} ${digest}`).join();
    if (ids !== this.#approvalIds) {
      this.#approvalIds = ids;
      this.cards = approvals.map((approval) => new ApprovalCard(this.language, approval, this.actions));
      this.approvals.replaceChildren(...this.cards.map((card) => card.element));
    }
    for (const card of this.cards) {
      card.refused(failure);
      if (this.actions.isDecided(card.approval)) card.decidedByAnother();
    }
  }

  /** A call that a card asks about is not shown twice. */
  #hideAsked(parts) {
    const asked = new Set(this.cards.filter(({ approval }) => approval.kind === 'tool_call').map(({ approval }) => approval.call_id));
    parts.forEach((part, index) => { this.#parts[index].element.hidden = part.outcome === 'waiting' && asked.has(part.callId); });
  }

  /** Which program wrote it, if one did, when it was asked, a button to edit it, and "2 of 2", with which the other versions are shown. */
  #updateAbout(enabled, last) {
    const { language, actions, turn: { version, versions = [], at, writtenBy } } = this;
    const state = JSON.stringify([version, versions, at, writtenBy, enabled, last]);
    if (state === this.#versions) return;
    this.#versions = state;
    const index = versions.indexOf(version);
    const button = (name, label, possible, onclick) => element('button', {
      'type': 'button', 'class': `quiet small ${name}`, 'aria-label': language.text(label), 'title': language.text(label), 'disabled': !enabled || !possible, onclick,
    }, icon(name));
    const show = (name, label, to) => button(name, label, to !== undefined, () => actions.showVersion(to));
    this.about.replaceChildren(...[
      !last && button('edit', 'chat.edit_earlier', true, () => actions.edit(this.turn)),
      writtenBy && element('span', { class: 'written-by' }, language.text('chat.written_by', { program: writtenBy })),
      at && element('time', { datetime: at, title: language.time(Date.parse(at)) }, language.moment(Date.parse(at))),
      ...(index < 0 ? [] : [
        show('back', 'chat.version_before', versions[index - 1]),
        element('span', { class: 'version' }, language.text('chat.version', { number: index + 1, count: versions.length })),
        show('chevron', 'chat.version_after', versions[index + 1]),
      ]),
    ].filter(Boolean));
  }

  /** Counts down the agent's `Retry-After`, and the time of approvals. */
  tick(now = Date.now()) {
    for (const card of this.cards) card.tick(now);
    const seconds = Math.ceil(((this.turn.answer.failure?.retryAt ?? 0) - now) / 1000);
    if (!this.countdown?.parentNode || (seconds <= 0 && this.#waitingFor === 0)) return;
    const text = retryWords(this.language, seconds);
    this.countdown.textContent = text;
    this.again.disabled = seconds > 0;
    if (seconds <= 0) this.actions.announce(text);
    this.#waitingFor = Math.max(seconds, 0);
  }

  #ending(last) {
    const { language, actions, turn: { answer } } = this;
    const action = (label, name, onclick) =>
      element('button', { type: 'button', class: 'quiet', onclick }, icon(name), language.text(label));
    const text = answerText(answer);
    const note = endNote(answer);
    const unavailable = unavailableNote(language, answer);
    this.again = action('chat.ask_again', 'again', actions.askAgain);
    this.countdown = element('p', { class: 'note', role: 'timer' });
    return [
      note && element('p', { class: 'stopped' }, icon('stop'), language.text(note)),
      unavailable && element('p', { class: 'note' }, unavailable),
      ...noticeTexts(language, answer).map((text) => element('p', { class: 'note' }, text)),
      answer.status === 'failed' && failureCard(language, answer.failure, actions),
      last && answer.failure?.retryAt !== undefined && this.countdown,
      element('div', { class: 'actions' },
        text !== '' && copyButton(language, 'chat.copy_answer', () => printable(text)),
        last && answer.status === 'failed' && answer.accepted && action('chat.continue', 'play', actions.goOn),
        last && this.again,
        last && action('chat.edit', 'edit', () => actions.edit(this.turn))),
    ].filter(Boolean);
  }
}
