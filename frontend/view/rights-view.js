/**
 * What the agent may do for the user: what they have approved for longer, which can be withdrawn, and of each service its
 * tools, whose rights a call uses, and what asks or is denied. Nothing is called to show it.
 */

import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { identityBadge, identityOf } from './identity.js';
import { argumentTitle, serviceName, toolName, toolNameElement } from './names.js';

const DIGEST_SHOWN = 12;
/** Tools that are not simply called are shown first. */
const asks = ({ decision }) => decision !== 'allow';

export class RightsView {
  #news;

  /**
   * @param {import('../application.js').Application} app
   * @param {{leave: () => void}} view `leave` closes the view
   */
  constructor(app, { leave }) {
    Object.assign(this, { app, language: app.language, close: leave });
    this.status = element('p', { class: 'news', role: 'status', tabindex: -1 });
    this.failure = element('p', { class: 'problem', role: 'alert' });
    this.grants = element('ul', { class: 'rows' });
    this.services = element('ul', { class: 'rows' });
    this.policy = element('p', { class: 'note' });
    this.shown = element('div', { class: 'rights-shown', hidden: true },
      element('h3', {}, app.language.text('rights.grants')), this.grants,
      element('h3', {}, app.language.text('rights.services')), this.services, this.policy);
    this.element = element('div', {}, this.status, this.failure, this.shown);
    this.#try(() => this.#read());
  }

  async #read() {
    const { language } = this;
    const { grants, services, policy } = await this.app.request('GET', '/rights');
    const none = element('li', { class: 'note' }, language.text('grants.none'));
    this.grants.replaceChildren(...(grants.length > 0 ? grants.map((grant) => this.#grant(grant)) : [none]));
    this.services.replaceChildren(...services.map((service) => this.#service(service)));
    this.policy.textContent = policy ? language.text(`rights.policy_${policy.mode}`, { digest: policy.digest.slice(0, DIGEST_SHOWN) }) : '';
    this.status.textContent = this.#news ?? '';
    this.shown.hidden = false;
  }

  async #try(action) {
    this.failure.textContent = '';
    try {
      await action();
    } catch (error) {
      this.failure.textContent = this.language.sentence(failureWords(this.language, error).symptom);
    }
  }

  /** A service, folded: its tools are many. */
  #service(service) {
    const { language } = this;
    const { name, audience, scope, credential, listed, tools } = service;
    const carried = [audience, scope, credential].filter(Boolean).map((each) => element('code', {}, each));
    return element('li', { class: 'card service' }, element('details', {},
      element('summary', {}, element('strong', {}, serviceName(language, name)), identityBadge(language, identityOf(service)),
        element('span', { class: 'note' }, listed ? language.text('rights.count', { count: tools.length }) : ''), icon('chevron')),
      carried.length > 0 && element('p', { class: 'note carried' }, ...carried.flatMap((code) => [code, ' '])),
      listed ? element('ul', { class: 'tools' }, ...[...tools.filter(asks), ...tools.filter((tool) => !asks(tool))].map((tool) => this.#tool(name, tool))) : element('p', { class: 'note' }, language.text('rights.unlisted'))));
  }

  #tool(service, { name, effect, data, trust, decision, rules, approvers, sign_in_seconds: age }) {
    const { language } = this;
    const notes = [
      language.text(`rights.effect_${effect}`),
      data === 'confidential' && language.text('rights.confidential'),
      trust !== 'trusted' && language.text('rights.untrusted'),
      age !== null && language.text('rights.sign_in', { wait: language.wait(age) }),
      rules.length > 0 && language.text('rights.rules', { rules: rules.join('; ') }),
    ];
    const key = decision === 'ask' && approvers ? 'ask_another' : decision;
    return element('li', {},
      element('span', { class: 'what' }, toolNameElement(language, { service, tool: name })),
      element('span', { class: `badge badge-${decision}` }, language.text(`rights.${key}`, { group: approvers })),
      element('span', { class: 'note' }, notes.filter(Boolean).join(' · ')));
  }

  #grant(grant) {
    const { language } = this;
    const { service, tool, display, ends_at: end, uses, last_used_at: used } = grant;
    const bounds = display.flatMap(({ name: argument, label, text }) => [
      element('dt', { title: argument }, argumentTitle(language, grant, argument) ?? label), element('dd', {}, text)]);
    const name = language.text('grants.call', { service: serviceName(language, service), tool: toolName(language, { service, tool }) });
    return element('li', { class: 'card grant' },
      element('p', {}, element('strong', {}, name), ' ', identityBadge(language, identityOf(grant))),
      bounds.length > 0 && element('dl', { class: 'arguments' }, ...bounds),
      element('p', { class: 'note' }, language.text('grants.until', { time: language.until(Date.parse(end)), count: uses }),
        used !== null && ` ${language.text('grants.last_used', { time: language.moment(Date.parse(used)) })}`),
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
