/**
 * What the agent wants to do and waits for: with which arguments, under whose rights, and what a "no" means. The user
 * approves, changes the arguments, or declines with words of their own.
 */

import { ArgumentField, argumentLabel, titleOf } from './argument-field.js';
import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { identityBadge, identityOf, rightsSentence, rightsWords } from './identity.js';
import { raiseRows } from './limit-raise.js';
import { argumentTitle, serviceName, technicalName, toolName, toolNameElement } from './names.js';
import { pageToOpen, QuestionForm } from './question-form.js';

const LONGEST_SHOWN = 200;
/** Characters of a prepared question by which its card differs from others. */
const LABEL = 60;
/** Seconds before the end, at which screen readers are reminded once. */
const SOON = 60;
/** Seconds before the end, from which on the card says how many are left. */
const ENDS_SOON = 300;
/** Whose rights the label of a call says whole. Of others, a sentence stands above the arguments. */
const SAID_BY_THE_LABEL = ['human', 'machine', 'none'];

/** What an approval is about, in one line: what would be done, to what, and under whose rights. */
export function approvalTitle(language, approval) {
  const { service, asker, kind, prepared_by: by } = approval;
  const names = { service: serviceName(language, service), tool: toolName(language, approval), rights: rightsWords(language, approval), asker: asker?.sub ?? by };
  return language.text(asker && kind === 'tool_call' ? 'inbox.title' : `approval.title_${kind}`, names);
}

export class ApprovalCard {
  #refusal;
  #announced = 2 * SOON;
  #decided = false;

  /**
   * @param {object} approval in the agent's form (`Approval` of its API)
   * @param {{decide: (approval: object, decision: object) => void, signIn: () => void, announce: (text: string) => void,
   *   withdraw: () => Promise<void>}} actions
   */
  constructor(language, approval, actions) {
    Object.assign(this, { language, approval, actions });
    this.title = approvalTitle(language, approval);
    this.countdown = element('p', { class: 'note', role: 'timer' });
    this.failure = element('p', { class: 'symptom', role: 'alert' });
    this.buttons = element('div', { class: 'actions' });
    this.fields = element('div', { class: 'fields', onchange: ({ target }) => { if (target.matches('select')) this.#keepButtons(); } }); // not when a click on a button ends a text: it would miss the button
    this.particulars = element('div', { class: 'what' }, ...this.#particulars());
    const { above, details } = this.#more();
    this.heading = element('h3', {}, icon('question'), ...this.#heading());
    const question = approval.prepared_by ? `: ${approval.display[0].text.slice(0, LABEL)}` : '';
    const label = `${language.text('approval.label')}: ${this.title}${question}`;
    this.element = element('section', { 'class': 'card approval', 'aria-label': label, 'tabindex': -1 },
      this.heading, ...above, this.particulars, this.fields, this.failure, this.countdown, this.buttons, details);
    this.element.addEventListener('keydown', ({ key, isComposing }) => { if (key === 'Escape' && !isComposing) this.#back(); });
    this.#showChoice();
    this.tick();
  }

  /** Puts the focus on the card, not on a button of it: a key that is pressed by chance decides nothing. */
  focus() {
    this.element.focus({ preventScroll: true });
  }

  /** Scrolls to what would be done, which ends with the arguments. */
  show() {
    for (const part of [this.heading, this.particulars]) part.scrollIntoView({ block: 'nearest' });
  }

  /** Whether the arguments are on the screen, and nothing is over them. */
  get isInSight() {
    const { left, width, top, bottom } = this.particulars.getBoundingClientRect();
    return [top + 2, bottom - 2].every((y) => this.particulars.contains(document.elementFromPoint(left + width / 2, y)));
  }

  /** @param {object | undefined} failure why the last decision was refused */
  refused(failure) {
    if (failure === this.#refusal) return;
    this.#refusal = failure;
    this.failure.textContent = failure ? this.language.sentence(this.#faultyArgument(failure) ?? failureWords(this.language, failure).symptom) : '';
  }

  /** Says which argument, or field of a form, does not fit; `undefined` if the refusal names none. */
  #faultyArgument({ param }) {
    const { language, approval: { display, question } } = this;
    const name = param?.split('.')[1];
    const schema = this.#schema(name);
    if (!schema && !display?.some((displayed) => displayed.name === name)) return undefined;
    if (question) return language.text('question.field', { name: titleOf(schema) ?? name });
    return language.text('approval.argument', { name: this.#label(name, name) });
  }

  /** Another person has decided, for whom the call waited. */
  decidedByAnother() {
    if (this.#decided) return;
    this.#decided = true;
    this.note.textContent = this.meaning;
    this.#showChoice();
    this.actions.announce(this.meaning);
  }

  /** Once a second: the time that is left. Screen readers are reminded a minute before the end, and at the end. */
  tick(now = Date.now()) {
    const { language } = this;
    const seconds = Math.ceil((Date.parse(this.approval.expires_at) - now) / 1000);
    const wait = language.wait(Math.max(seconds, 0));
    const over = language.text('tool.expired');
    this.countdown.hidden = seconds > ENDS_SOON;
    this.countdown.textContent = seconds <= 0 ? over : language.text(this.approval.approvers && !this.approval.asker ? 'approval.expires_another' : 'approval.expires', { wait });
    if (seconds <= 0 && this.#announced > 0) this.#expire(over);
    else if (seconds > 0 && seconds <= SOON && this.#announced > SOON) this.actions.announce(language.text('approval.soon', { wait }));
    this.#announced = Math.min(this.#announced, seconds);
    const { arguments: list } = this;
    if (list) list.tabIndex = list.scrollHeight > list.clientHeight ? 0 : -1; // so that the keyboard can scroll it
  }

  /** Nothing can be decided any more. */
  #expire(text) {
    const focused = this.element.contains(document.activeElement);
    this.fields.replaceChildren();
    this.buttons.replaceChildren();
    this.element.classList.remove('in-edit');
    this.element.classList.add('expired');
    if (focused) this.focus();
    this.actions.announce(text);
  }

  #particulars() {
    const { approval, language } = this;
    if (approval.kind === 'prepared_run') { // whole: what is folded is not read
      const [{ text }] = approval.display;
      return [element('dl', { class: 'arguments', tabindex: 0 },
        element('dt', {}, language.text('approval.question')), element('dd', {}, text))];
    }
    if (approval.question) {
      return [
        element('blockquote', { class: 'arguments' }, approval.question.message),
        element('p', { class: 'note' }, language.text('question.no_secrets', { service: serviceName(language, approval.service) })),
        ...(approval.question.mode === 'url' ? pageToOpen(language, approval) : []),
      ];
    }
    if (approval.kind === 'budget_raise') return [definitions(language, raiseRows(language, approval.display), 'arguments')];
    if (approval.kind !== 'tool_call') return [];
    const rows = this.#labelled(approval.display).flatMap(({ name, label, text }) => [element('dt', { title: label !== name && name }, label), element('dd', {}, shown(text))]);
    return [
      // The buttons are next to the arguments, at the end: what does not fit scrolls, so that neither is seen without the other.
      this.arguments = element('dl', { class: 'arguments' }, ...rows),
    ];
  }

  /** What would be done, where, and under whose rights. */
  #heading() {
    const { language, approval } = this;
    if (approval.kind !== 'tool_call') return [element('span', {}, this.title)];
    const { asker, service } = approval;
    const asks = asker && `${language.text('inbox.asks', { asker: asker.sub })} `;
    return [element('span', {}, asks, toolNameElement(language, approval), ` · ${serviceName(language, service)} `,
      identityBadge(language, identityOf(approval), rightsWords(language, approval)))];
  }

  /** What a decision needs beside the arguments (`above`), and what is looked up (`details`). */
  #more() {
    const { language, approval } = this;
    if (approval.kind === 'prepared_run') return { above: [element('p', { class: 'note' }, language.text('approval.prepared', { asker: approval.prepared_by }))] };
    if (approval.kind === 'budget_raise') return this.#moreOfRaise();
    if (approval.kind !== 'tool_call') return { above: [] };
    const { asker, approvers } = approval;
    const rights = element('p', { class: 'rights' }, rightsSentence(language, approval));
    const read = approval.read?.length > 0 && element('p', { class: 'note read' }, icon('alert'), ' ', language.text(asker ? 'inbox.read' : 'approval.read', { tools: approval.read.join('; ') }));
    this.note = element('p', { class: 'note' }, this.meaning);
    const isLabelled = SAID_BY_THE_LABEL.includes(identityOf(approval));
    const waits = !asker && approvers;
    const rows = definitions(language, [
      ['tool.tool', element('code', {}, technicalName(approval))],
      ['tool.audience', approval.audience],
      ['tool.scope', approval.scope],
      ['tool.credential', approval.credential],
      ['inbox.asker', asker && `${asker.sub} (${asker.iss})`],
      ['inbox.group', asker && approvers],
      ['inbox.rules', asker && (approval.rules.join('; ') || undefined)],
      ['approval.until', language.until(Date.parse(approval.expires_at))],
    ]);
    return {
      above: [!isLabelled && rights, read, waits && this.note].filter(Boolean),
      details: element('details', { class: 'folded' }, element('summary', {}, icon('chevron'), language.text('approval.more')),
        isLabelled && rights, rows, !waits && this.note),
    };
  }

  /** What a raise means for the one who asks, and who they are. */
  #moreOfRaise() {
    const { language, approval: { asker, approvers, expires_at: end } } = this;
    const rows = definitions(language, [
      ['inbox.asker', `${asker.sub} (${asker.iss})`],
      ['inbox.group', approvers],
      ['approval.until', language.until(Date.parse(end))],
    ]);
    return {
      above: [element('p', { class: 'note' }, language.text('raise.meaning', { asker: asker.sub, time: language.until(Date.parse(end)) }))],
      details: element('details', { class: 'folded' }, element('summary', {}, icon('chevron'), language.text('raise.more')), rows),
    };
  }

  /** What a "no" means, or who decides. */
  get meaning() {
    const { language, approval: { asker, approvers } } = this;
    if (asker) return language.text('inbox.if_declined', { asker: asker.sub });
    if (!approvers) return language.text('approval.if_declined');
    return language.text(this.#decided ? 'approval.another_decided' : 'approval.another', { group: approvers });
  }

  /** Arguments to show, each under its own name, or the one that the operator has given it. */
  #labelled(display) {
    return display.map((displayed) => ({ ...displayed, label: this.#label(displayed.name, displayed.label) }));
  }

  #label(name, shownName) {
    return argumentTitle(this.language, this.approval, name) ?? argumentLabel(shownName, this.#schema(name));
  }

  #schema(name) {
    const properties = this.approval.parameters?.properties;
    return typeof properties === 'object' && properties !== null && Object.hasOwn(properties, name) ? properties[name] : undefined;
  }

  /** From the fields to the choice, with the focus on the button that showed them. */
  #back() {
    if (!this.opener) return;
    const { opener } = this;
    this.#showChoice();
    this.buttons.querySelector(`[data-name=${opener}]`)?.focus();
  }

  #showChoice() {
    const { approval, actions } = this;
    const decide = (decision) => actions.decide(approval, decision);
    this.opener = undefined;
    this.fields.replaceChildren();
    this.element.classList.remove('in-edit');
    if (approval.asker || approval.prepared_by) {
      this.#show([
        this.#button('approve', 'primary', () => decide({ decision: 'approve' })),
        this.#button('decline', 'quiet', () => decide({ decision: 'reject' })),
      ]);
      return;
    }
    if (approval.approvers) { // their decision counts; an answer only goes on after it
      this.#show([this.#decided
        ? this.#button('go_on', 'primary', () => decide({ decision: 'approve' }))
        : this.#button('withdraw', 'quiet', () => actions.withdraw().catch((error) => this.refused(error)))]);
      return;
    }
    if (approval.question) {
      this.#showQuestion();
      return;
    }
    if (approval.kind === 'tool_call') {
      this.#show([
        this.#button('approve', 'primary', () => decide({ decision: 'approve' })),
        this.#button('edit', 'quiet', () => this.#showFields()),
        this.#button('decline', 'quiet', () => this.#showWords()),
        approval.lasting && this.#button('approve_lasting', 'quiet', () => this.#showLasting()),
      ].filter(Boolean));
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

  /** What the server of the tool asks: its form, or a page to open. */
  #showQuestion() {
    const { language, approval, actions } = this;
    const decide = (decision) => actions.decide(approval, decision);
    const refuse = [
      this.#button('decline', 'quiet', () => decide({ decision: 'reject' })),
      this.#button('dismiss', 'quiet', () => decide({ decision: 'cancel' })),
    ];
    if (approval.question.mode === 'url') {
      const open = element('a', { class: 'button primary', href: approval.url, target: '_blank', rel: 'noopener noreferrer' },
        language.text('question.open', { host: approval.question.host }));
      this.#show([open, this.#button('go_on', 'quiet', () => decide({ decision: 'approve' })), ...refuse]);
      return;
    }
    const form = new QuestionForm(language, approval);
    this.fields.replaceChildren(...form.elements);
    this.#show([this.#button('answer', 'primary', () => {
      const argumentsJson = form.read();
      if (argumentsJson !== undefined) decide({ decision: 'edit', argumentsJson });
    }), ...refuse]);
  }

  #showFields() {
    const { arguments: values, display } = this.approval;
    const fields = this.#labelled(display).map((displayed) => new ArgumentField(this.language, displayed, values[displayed.name], this.#schema(displayed.name)));
    this.opener = 'edit';
    this.element.classList.add('in-edit');
    this.fields.replaceChildren(...fields.map((field) => field.element));
    this.#show([
      this.#button('approve_edited', 'primary', () => {
        const members = fields.map((field) => `${JSON.stringify(field.name)}:${field.read()}`);
        const wrong = fields.find(({ invalid }) => invalid);
        if (wrong) wrong.input.focus();
        else this.actions.decide(this.approval, { decision: 'edit', argumentsJson: `{${members.join()}}` });
      }),
      this.#button('back', 'quiet', () => this.#back()),
    ]);
    this.#enter(fields[0]?.input);
  }

  /** What would be approved beyond this call: for how long, where, and within which bounds, which can be narrowed. */
  async #showLasting() {
    const { language, approval } = this;
    const { LastingForm } = await import('./lasting-form.js').catch(() => ({}));
    if (this.opener !== undefined || this.element.classList.contains('expired')) return; // decided meanwhile, or other fields are shown
    if (LastingForm === undefined) {
      this.failure.textContent = language.text('app.not_loaded');
      return;
    }
    const { lasting, display, arguments: values } = approval;
    const call = this.#labelled(display).map((displayed) => ({ ...displayed, value: values[displayed.name] }));
    const form = new LastingForm(language, { ...lasting, display: this.#labelled(lasting.display) }, call);
    const approve = () => {
      const lastingJson = form.read();
      if (lastingJson !== undefined) this.actions.decide(approval, { decision: 'approve', lastingJson });
    };
    this.opener = 'approve_lasting';
    this.element.classList.add('in-edit');
    this.fields.replaceChildren(element('p', {}, language.text('approval.lasting', { tool: toolName(language, approval) })), ...form.elements);
    this.#show([
      this.#button('approve_these', 'primary', () => approve()),
      this.#button('back', 'quiet', () => this.#back()),
    ]);
    this.#enter(form.time);
  }

  #showWords() {
    const words = element('textarea', { rows: 2, maxlength: 1000 });
    this.opener = 'decline';
    this.fields.replaceChildren(element('p', { class: 'note' }, this.meaning), element('label', {}, this.language.text('approval.words'), words));
    this.#show([
      this.#button('decline_now', 'primary', () => {
        const message = words.value.trim();
        this.actions.decide(this.approval, message ? { decision: 'reject', message } : { decision: 'reject' });
      }),
      this.#button('back', 'quiet', () => this.#back()),
    ]);
    this.#enter(words);
  }

  #enter(field) {
    field?.focus();
    this.#keepButtons();
  }

  /** In sight, also below fields that a choice has shown. */
  #keepButtons() {
    this.buttons.scrollIntoView({ block: 'nearest' });
  }

  #show(buttons) {
    this.buttons.replaceChildren(...buttons);
  }

  #button(name, kind, onclick) {
    return element('button', { 'type': 'button', 'class': kind, 'data-name': name, onclick }, this.language.text(`approval.${name}`));
  }
}

/** A list of what is known, by the keys of its labels. */
function definitions(language, rows, name) {
  const known = rows.filter(([, value]) => value !== undefined && value !== null);
  return element('dl', { class: name }, ...known.flatMap(([label, value]) => [element('dt', {}, language.text(label)), element('dd', {}, value)]));
}

/** Untrusted text, folded if it is long. */
function shown(text) {
  if (text.length <= LONGEST_SHOWN) return text;
  return element('details', {}, element('summary', {}, `${text.slice(0, LONGEST_SHOWN)}…`), element('pre', { tabindex: 0 }, text));
}
