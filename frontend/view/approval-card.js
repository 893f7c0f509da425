/**
 * What the agent wants to do and waits for: with which arguments, under whose rights, and what a "no" means. The user
 * approves, changes the arguments, or declines with words of their own.
 */

import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { identityBadge, identityKind, serviceName } from './identity.js';

const LONGEST_SHOWN = 200;

export class ApprovalCard {
  /**
   * @param {object} approval in the agent's form (`Approval` of its API)
   * @param {{decide: (approval: object, decision: object) => void, signIn: () => void}} actions
   */
  constructor(language, approval, actions) {
    Object.assign(this, { language, approval, actions });
    this.countdown = element('p', { class: 'note', role: 'timer' });
    this.failure = element('p', { class: 'symptom', role: 'alert', hidden: true });
    this.buttons = element('div', { class: 'actions' });
    this.fields = element('div', {});
    const heading = element('h3', {}, icon('question'), language.text(`approval.title_${approval.kind}`, this.#names()));
    this.element = element('section', { 'class': 'card approval', 'aria-label': language.text('approval.label') },
      heading, ...this.#particulars(), this.fields, this.failure, this.countdown, this.buttons);
    this.#showChoice();
    this.tick();
  }

  /** @param {object | undefined} failure why the last decision was refused */
  refused(failure) {
    this.failure.hidden = failure === undefined;
    if (failure) this.failure.textContent = this.language.sentence(failureWords(this.language, failure).symptom);
  }

  /** Once a second: the time that is left. */
  tick(now = Date.now()) {
    const seconds = Math.ceil((Date.parse(this.approval.expires_at) - now) / 1000);
    const expired = seconds <= 0;
    this.countdown.textContent = expired
      ? this.language.text('approval.expired')
      : this.language.text('approval.expires', { wait: this.language.wait(seconds) });
    for (const button of this.buttons.querySelectorAll('.primary')) button.disabled = expired;
  }

  #names() {
    const { service, tool } = this.approval;
    return { service: serviceName(this.language, service), tool };
  }

  #particulars() {
    const { language, approval } = this;
    if (approval.kind !== 'tool_call') return [];
    const call = { accessIdentity: approval.access_identity, credential: approval.credential ?? undefined, outcome: 'waiting' };
    const rows = [
      ['tool.tool', element('code', {}, approval.tool)],
      ['approval.rights', element('span', {}, identityBadge(language, identityKind(call)), ' ', language.text(`approval.identity_${identityKind(call)}`))],
      ['tool.audience', approval.audience],
      ['tool.scope', approval.scope],
      ['tool.credential', approval.credential],
    ].filter(([, value]) => value !== undefined && value !== null);
    return [
      element('dl', { class: 'arguments' }, ...Object.entries(approval.arguments).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, shown(value))])),
      element('dl', {}, ...rows.flatMap(([label, value]) => [element('dt', {}, language.text(label)), element('dd', {}, value)])),
      element('p', { class: 'note' }, language.text('approval.if_declined')),
    ];
  }

  #showChoice() {
    const { approval, actions } = this;
    const decide = (decision) => actions.decide(approval, decision);
    this.fields.replaceChildren();
    if (approval.kind === 'tool_call') {
      this.#show([
        this.#button('approve', 'primary', () => decide({ decision: 'approve' })),
        this.#button('edit', 'quiet', () => this.#showFields()),
        this.#button('decline', 'quiet', () => this.#showWords()),
      ]);
      return;
    }
    const open = approval.url && element('a', { class: 'button primary', href: approval.url, target: '_blank', rel: 'noopener noreferrer' },
      this.language.text('approval.open'));
    this.#show([
      open,
      approval.kind === 'sign_in_required' && this.#button('sign_in', 'quiet', () => actions.signIn()),
      this.#button('go_on', open ? 'quiet' : 'primary', () => decide({ decision: 'approve' })),
      this.#button('decline', 'quiet', () => decide({ decision: 'reject' })),
    ].filter(Boolean));
  }

  #showFields() {
    const fields = Object.entries(this.approval.arguments).map(([name, value]) => new Field(name, value));
    this.fields.replaceChildren(...fields.map(({ element: shownField }) => shownField));
    this.#show([
      this.#button('approve_edited', 'primary', () => {
        const values = fields.map((field) => [field.name, field.read()]);
        if (values.every(([, value]) => value !== undefined)) {
          this.actions.decide(this.approval, { decision: 'edit', arguments: Object.fromEntries(values) });
        }
      }),
      this.#button('back', 'quiet', () => this.#showChoice()),
    ]);
    fields[0]?.input.focus();
  }

  #showWords() {
    const words = element('textarea', { 'rows': 2, 'maxlength': 1000, 'aria-label': this.language.text('approval.words') });
    this.fields.replaceChildren(element('label', {}, this.language.text('approval.words'), words));
    this.#show([
      this.#button('decline_now', 'primary', () => {
        const message = words.value.trim();
        this.actions.decide(this.approval, message ? { decision: 'reject', message } : { decision: 'reject' });
      }),
      this.#button('back', 'quiet', () => this.#showChoice()),
    ]);
    words.focus();
  }

  #show(buttons) {
    this.buttons.replaceChildren(...buttons);
    this.tick();
  }

  #button(name, kind, onclick) {
    return element('button', { type: 'button', class: kind, onclick }, this.language.text(`approval.${name}`));
  }
}

/** One argument of a call, to be changed: as text, or as JSON if it is neither a text nor a number. */
class Field {
  constructor(name, value) {
    this.name = name;
    this.isText = typeof value === 'string';
    this.input = element('textarea', { rows: 1 });
    this.input.value = this.isText ? value : JSON.stringify(value);
    this.element = element('label', {}, name, this.input);
  }

  /** The value; `undefined` if it is no JSON, which the field then shows. */
  read() {
    if (this.isText) return this.input.value;
    try {
      this.input.removeAttribute('aria-invalid');
      return JSON.parse(this.input.value);
    } catch {
      this.input.setAttribute('aria-invalid', 'true');
      this.input.focus();
      return undefined;
    }
  }
}

/** Untrusted text, folded if it is long. */
function shown(value) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  if (text.length <= LONGEST_SHOWN) return text;
  return element('details', {}, element('summary', {}, `${text.slice(0, LONGEST_SHOWN)}…`), element('pre', { tabindex: 0 }, text));
}
