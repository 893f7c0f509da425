/** What the agent did for the user, over all conversations: by day, with whose rights, and what was decided about it. */

import { fileName } from '../chat/file-name.js';
import { byDay, csv, PastCalls } from '../chat/past-calls.js';
import { decisionWords } from './decision.js';
import { element } from './element.js';
import { failureWords } from './failure.js';
import { icon } from './icon.js';
import { identityBadge, identityKind, identitySentence, rightsSentence } from './identity.js';
import { argumentTitle, serviceName, technicalName, toolName, toolNameElement } from './names.js';
import { saveFile } from './save-file.js';

const OUTCOME_ICONS = { ok: 'check', failed: 'cross', not_called: 'stop', unknown: 'question', waiting: 'question' };
const ALL = '';

export class PastCallsView {
  #services = '';

  /**
   * @param {import('../application.js').Application} app
   * @param {{leave: () => void}} view `leave` closes the view
   */
  constructor(app, { leave }) {
    const { language } = app;
    Object.assign(this, { app, language, close: leave, past: new PastCalls(app.request) });
    this.status = element('p', { class: 'news', role: 'status' });
    this.failure = element('p', { class: 'problem', role: 'alert' });
    this.service = element('select', { onchange: () => this.#show() });
    this.changes = element('input', { type: 'checkbox', onchange: () => this.#show() });
    this.filters = element('div', { class: 'filters', hidden: true },
      element('label', {}, language.text('done.service'), this.service),
      element('label', { class: 'choice' }, this.changes, language.text('done.changes')),
      element('button', { type: 'button', class: 'quiet', onclick: () => this.#try(() => this.#export()) }, icon('save'), language.text('done.export')));
    this.days = element('div', { class: 'days' });
    this.earlier = element('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => this.#try(() => this.#readEarlier()) },
      icon('down'), language.text('done.earlier'));
    this.element = element('div', { class: 'done' }, this.status, this.failure, this.filters, this.days, this.earlier);
    this.#try(() => this.#read());
  }

  async #try(action) {
    this.failure.textContent = '';
    this.element.setAttribute('aria-busy', 'true');
    try {
      await action();
    } catch (error) {
      this.failure.textContent = this.language.sentence(failureWords(this.language, error).symptom);
    }
    this.element.removeAttribute('aria-busy');
  }

  async #read() {
    await this.past.read();
    this.#show();
  }

  /** The focus goes from the button, which is hidden after the last page, to the call above it. */
  async #readEarlier() {
    await this.past.read();
    const leaves = !this.past.more && document.activeElement === this.earlier;
    this.#show();
    if (leaves) ([...this.days.querySelectorAll('summary')].at(-1) ?? this.service).focus();
  }

  /** The calls that the filters leave. */
  get #chosen() {
    const { language: { titles }, service, changes } = this;
    return this.past.calls.filter((call) => (service.value === ALL || service.value === (call.service ?? ''))
      && !(changes.checked && (call.outcome === 'not_called' || titles.reads(call.service, call.tool))));
  }

  #show() {
    const { language, past } = this;
    this.#offerServices();
    const chosen = this.#chosen;
    this.days.replaceChildren(...byDay(chosen).map(({ day, calls }) => element('section', {},
      element('h3', {}, language.day(day)), element('ul', { class: 'rows' }, ...calls.map((call) => this.#row(call))))));
    this.filters.hidden = past.calls.length === 0;
    this.earlier.hidden = !past.more;
    this.status.textContent = chosen.length > 0 ? '' : language.text(past.calls.length > 0 ? 'done.none_chosen' : 'done.none');
  }

  #offerServices() {
    const { language, service, past } = this;
    const names = [...new Set(past.calls.map((call) => call.service).filter(Boolean))].sort();
    if (names.join() === this.#services) return;
    this.#services = names.join();
    const { value } = service;
    service.replaceChildren(element('option', { value: ALL }, language.text('done.all')),
      ...names.map((name) => element('option', { value: name, selected: name === value }, serviceName(language, name))));
  }

  #row(call) {
    const { app, language } = this;
    const record = recordOf(call);
    const { outcome } = record;
    const rights = outcome === 'waiting' ? rightsSentence(language, call) : identitySentence(language, record);
    const open = () => {
      this.close();
      app.openConversation(call.thread_id).catch(() => {});
    };
    const rows = call.display.flatMap(({ name, label, text }) => [
      element('dt', { title: label }, argumentTitle(language, call, name) ?? label), element('dd', {}, text)]);
    return element('li', { class: 'card past' }, element('details', {},
      element('summary', {}, element('span', { class: `outcome outcome-${outcome}`, title: language.text(`tool.outcome_${outcome}`) }, icon(OUTCOME_ICONS[outcome])),
        element('span', { class: 'what' }, toolNameElement(language, call), ' ', element('span', { class: 'note' }, serviceName(language, call.service))),
        identityBadge(language, identityKind(record)),
        element('time', { class: 'note', datetime: call.at }, language.time(Date.parse(call.at))), icon('chevron')),
      element('div', { class: 'past-details' },
        rows.length > 0 && element('dl', { class: 'arguments' }, ...rows),
        element('p', { class: 'note' }, language.sentences(language.sentence(language.text(`tool.outcome_${outcome}`)), rights)),
        ...call.decisions.map((decision) => element('p', { class: 'note' }, decisionSentence(language, decision))),
        call.replaced && element('p', { class: 'note' }, language.text('done.replaced')),
        element('p', { class: 'note' }, element('code', {}, technicalName(call))),
        element('button', { type: 'button', class: 'quiet', onclick: open }, icon('list'), call.thread_title ?? language.text('list.untitled')))));
  }

  /** What is shown, and everything before it, as a table. What is shown stays as it is, if all was read before. */
  async #export() {
    const { language, past } = this;
    if (past.more) {
      await past.readAll();
      this.#show();
    }
    const heads = ['when', 'tool', 'service', 'rights', 'outcome', 'decision', 'conversation', 'arguments', 'technical'].map((name) => language.text(`done.column_${name}`));
    const rows = this.#chosen.map((call) => [call.at, toolName(language, call), serviceName(language, call.service),
      language.text(`identity.${identityKind(recordOf(call))}`), language.text(`tool.outcome_${outcomeOf(call)}`),
      language.sentences(...call.decisions.map((decision) => decisionSentence(language, decision))), call.thread_title ?? '',
      argumentsJson(call), technicalName(call)]);
    saveFile(fileName(language.text('done.heading'), 'csv'), csv([heads, ...rows]), 'text/csv');
    if (past.more) this.status.textContent = language.text('done.cut', { count: past.calls.length });
  }
}

/** A call of `/calls` as the page has calls. Without a result, nothing has said that it needs no identity. */
export function recordOf(call) {
  const { access_identity: accessIdentity, credential_kind: credentialKind, outcome } = call;
  const known = outcome === 'unknown' ? accessIdentity ?? undefined : accessIdentity;
  return { accessIdentity: known, credentialKind: credentialKind ?? undefined, outcome: outcomeOf(call) };
}

/** A call about which a question is open was not made. */
function outcomeOf({ outcome, decisions }) {
  return outcome === 'unknown' && decisions.at(-1)?.decision === 'open' ? 'waiting' : outcome;
}

/** What was decided, as a sentence. */
export function decisionSentence(language, decision) {
  return language.sentence(decisionWords(language, decision, (at) => language.until(Date.parse(at))));
}

/** The arguments as JSON, with all digits of numbers, which `JSON.parse` has rounded: what `display` has is a text itself, or JSON. */
export function argumentsJson({ arguments: values, display }) {
  const valueOf = ({ name, text }) => (values[name] === text ? JSON.stringify(text) : text);
  return `{${display.map((displayed) => `${JSON.stringify(displayed.name)}:${valueOf(displayed)}`).join()}}`;
}
