/** What waits for the user: calls of others, with their arguments as they bind, prepared runs, and own conversations. */

import { ApprovalCard, approvalTitle } from './approval-card.js';
import { deviceName } from './device.js';
import { arrange, element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { serviceName } from './names.js';

/** Refusals after which a call is not listed any more. */
const OVER = ['approval_used', 'approval_expired', 'approval_invalid'];

export class InboxView {
  #cards = new Map();
  #observing = new AbortController();
  #news;

  /**
   * @param {import('../application.js').Application} app
   * @param {{only?: string, leave: () => void}} view `only`: the id of the call that a link names; `leave` closes the view
   */
  constructor(app, { only, leave }) {
    Object.assign(this, { app, language: app.language, only, close: leave });
    this.status = element('p', { class: 'news', role: 'status', tabindex: -1 });
    this.failure = element('p', { class: 'problem', role: 'alert' });
    this.asked = element('div', { class: 'approvals' });
    this.own = element('ul', { class: 'rows' });
    this.ownTitle = element('h3', {}, app.language.text('inbox.own'));
    this.all = element('p', {}, element('button', { type: 'button', class: 'quiet', onclick: () => this.#showAll() },
      icon('list'), app.language.text('inbox.all')));
    this.element = element('div', { class: 'inbox' }, this.status, this.failure, this.asked, this.ownTitle, this.own, this.all);
    app.inbox.addEventListener('change', () => this.update(), { signal: this.#observing.signal });
    this.update();
    if (only === undefined) app.inbox.refresh();
  }

  leave() {
    this.#observing.abort();
  }

  tick() {
    for (const card of this.#cards.values()) card.tick();
  }

  update() {
    const { app: { inbox }, language, only } = this;
    const asked = inbox.deciding.filter(({ id }) => only === undefined || id === only);
    this.#cards = new Map(asked.map((approval) => [approval.id, this.#cards.get(approval.id) ?? this.#newCard(approval)]));
    arrange(this.asked, [...this.#cards.values()].map((card) => card.element));
    const own = only === undefined ? inbox.own : [];
    this.own.replaceChildren(...own.map((approval) => this.#ownRow(approval)));
    for (const part of [this.own, this.ownTitle]) part.hidden = own.length === 0;
    this.all.hidden = only === undefined;
    this.failure.textContent = inbox.failure ? language.sentence(failureWords(language, inbox.failure).symptom) : '';
    const nothing = asked.length + own.length === 0 && !inbox.failure;
    this.status.textContent = this.#news ?? (nothing ? language.text(only === undefined ? 'inbox.empty' : 'inbox.gone') : '');
  }

  #newCard(approval) {
    return new ApprovalCard(this.language, approval, {
      decide: (_, decision) => this.#decide(approval, decision),
      announce: (text) => { this.#news = this.status.textContent = text; },
    });
  }

  async #decide(approval, decision) {
    const { app, language } = this;
    const { asker, prepared_by: by } = approval;
    const values = { service: serviceName(language, approval.service), asker: asker?.sub ?? by };
    this.#say(undefined);
    try {
      await app.decideForAnother(approval, decision);
      if (by && decision.decision === 'approve') {
        this.close(); // its conversation is shown
        return;
      }
      const about = approval.kind === 'budget_raise' ? '_raise' : '';
      this.#say(language.text(by ? 'inbox.reject_prepared' : `inbox.${decision.decision}${about}`, values));
    } catch (error) {
      if (!OVER.includes(error.code)) {
        this.#cards.get(approval.id)?.refused(error);
        return;
      }
      const { decidedAt, decidedBy, decidedOn } = error;
      const known = { time: decidedAt && language.time(decidedAt), who: decidedBy, device: deviceName(decidedOn) };
      const key = decidedOn ? 'inbox.decided_on' : decidedBy ? 'inbox.decided_by' : 'inbox.decided_at';
      const when = decidedAt && language.text(key, known);
      this.#say(language.sentences(language.text(`inbox.${error.code}`), when));
      await app.inbox.refresh();
    }
    this.status.focus(); // the card, which had it, is gone
  }

  #say(text) {
    this.#news = text;
    this.update();
  }

  #showAll() {
    this.only = undefined;
    this.#say(undefined);
    this.app.inbox.refresh();
  }

  /** An open approval of a conversation, which it opens. */
  #ownRow(approval) {
    const { app, language } = this;
    const { thread_id: thread, approvers } = approval;
    const title = app.conversations.shown.find(({ id }) => id === thread)?.title ?? language.text('list.untitled');
    const open = () => {
      this.close();
      app.openConversation(thread).catch(() => {});
    };
    return element('li', {}, element('button', { type: 'button', class: 'open', onclick: open },
      element('span', { class: 'title' }, title),
      element('span', { class: 'note' }, approvalTitle(language, approval)),
      approvers && element('span', { class: 'note' }, language.text('inbox.waits_for', { group: approvers }))));
  }
}
