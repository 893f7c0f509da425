/** What the user has approved beyond single calls: within which bounds, where and until when; and its withdrawal. */

import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { identityBadge, identityKind, serviceName } from './identity.js';

export class GrantsView {
  #news;

  /**
   * @param {import('../application.js').Application} app
   * @param {{leave: () => void}} view `leave` closes the view
   */
  constructor(app, { leave }) {
    Object.assign(this, { app, language: app.language, close: leave });
    this.status = element('p', { class: 'news', role: 'status', tabindex: -1 });
    this.failure = element('p', { class: 'problem', role: 'alert' });
    this.list = element('ul', { class: 'rows' });
    this.element = element('div', {}, this.status, this.failure, this.list);
    this.#read();
  }

  async #read() {
    await this.#try(async () => {
      const { grants } = await this.app.request('GET', '/grants');
      this.list.replaceChildren(...grants.map((grant) => this.#row(grant)));
      this.status.textContent = this.#news ?? (grants.length === 0 ? this.language.text('grants.none') : '');
    });
  }

  async #try(action) {
    this.failure.textContent = '';
    try {
      await action();
    } catch (error) {
      this.failure.textContent = this.language.sentence(failureWords(this.language, error).symptom);
    }
  }

  #row(grant) {
    const { language } = this;
    const { service, tool, display, ends_at: end, uses, access_identity: accessIdentity, credential } = grant;
    const bounds = display.flatMap(({ label, text }) => [element('dt', {}, label), element('dd', {}, text)]);
    const name = language.text('grants.call', { service: serviceName(language, service), tool });
    return element('li', { class: 'card grant' },
      element('p', {}, element('strong', {}, name), ' ', identityBadge(language, identityKind({ accessIdentity, credential: credential ?? undefined }))),
      bounds.length > 0 && element('dl', { class: 'arguments' }, ...bounds),
      element('p', { class: 'note' }, language.text('grants.until', { time: language.until(Date.parse(end)), count: uses })),
      element('div', { class: 'actions' }, this.#where(grant),
        element('button', { 'type': 'button', 'class': 'quiet', 'aria-label': language.text('grants.withdraw_of', { name }), 'onclick': () => this.#withdraw(grant.id, name) },
          icon('trash'), language.text('grants.withdraw'))));
  }

  #where({ thread_id: thread }) {
    const { app, language } = this;
    if (thread === null) return element('span', { class: 'note' }, language.text('grants.everywhere'));
    const title = app.conversations.shown.find(({ id }) => id === thread)?.title ?? language.text('list.untitled');
    return element('button', { type: 'button', class: 'quiet', onclick: () => {
      this.close();
      app.openConversation(thread).catch(() => {});
    } }, icon('list'), language.text('grants.only_in', { title }));
  }

  #withdraw(id, name) {
    return this.#try(async () => {
      await this.app.request('DELETE', `/grants/${id}`).catch((error) => { if (error.status !== 404) throw error; });
      this.#news = this.language.text('grants.withdrawn', { name });
      await this.#read();
      this.status.focus();
    });
  }
}
