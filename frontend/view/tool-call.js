/** A tool call in an answer: one line with the service and the identity, which opens to the details. */

import { element } from './element.js';
import { errorWords } from './failure.js';
import { FileList } from './file-list.js';
import { FoldedText } from './folded-text.js';
import { icon } from './icon.js';
import { identityBadge, identityKind, identitySentence } from './identity.js';
import { serviceName, toolName, toolNameElement } from './names.js';
import { printable } from '../printable.js';

const SENTENCES = new Set(['tool.identity', 'tool.outcome', 'tool.remedy']);
const OUTCOME_ICONS = { ok: 'check', failed: 'cross', not_called: 'cross', unknown: 'question', waiting: 'clock' };

export class ToolCall {
  #shown = '';

  /** @param {{file: (id: string) => Promise<Blob>}} actions */
  constructor(language, actions) {
    this.language = language;
    this.files = new FileList(language, actions.file);
    this.summary = element('summary');
    this.particulars = element('dl');
    this.arguments = new FoldedText(language.text('tool.arguments'));
    this.result = new FoldedText(language.text('tool.result'));
    this.details = element('details', { class: 'tool' }, this.summary,
      element('div', { class: 'particulars' }, this.particulars, this.arguments.element, this.result.element));
    this.bar = element('progress', { max: 1 });
    this.message = element('span');
    this.progress = element('p', { class: 'progress note', hidden: true }, this.bar, this.message);
    this.element = element('div', { class: 'call' }, this.details, this.progress, this.files.element);
  }

  update(call) {
    const state = JSON.stringify(call);
    if (state === this.#shown) return;
    this.#shown = state;
    const { language } = this;
    this.details.className = `tool tool-${call.outcome}`;
    this.#showProgress(call);
    const took = duration(language, call);
    this.summary.replaceChildren(
      element('span', { class: 'outcome' }, call.outcome === 'running' ? element('span', { class: 'spinner' }) : icon(OUTCOME_ICONS[call.outcome])),
      element('span', { class: 'what' },
        language.text(titleOf(call), { service: serviceName(language, call.service) }), ' ',
        toolNameElement(language, call)),
      ...(call.outcome === 'not_called' ? [] : [identityBadge(language, identityKind(call))]), // the text states it
      element('span', { class: 'took' }, took ?? ''),
      icon('chevron'),
    );
    this.particulars.replaceChildren(...this.#rows(call, took).flatMap(([label, value]) => [
      element('dt', {}, language.text(label)), element('dd', { class: SENTENCES.has(label) && 'sentence' }, value),
    ]));
    if (call.consentUrl || call.declined) this.details.open = true; // a reason that was typed is shown
    this.files.update(call.files);
    this.arguments.update(call.arguments);
    this.result.update(call.result);
  }

  /** How far a running call is; a bar without a value, if that is not known. */
  #showProgress({ progress, service, tool }) {
    this.progress.hidden = progress === undefined;
    if (!progress) return;
    const { fraction, message } = progress;
    this.bar.setAttribute('aria-label', this.language.text('tool.progress', { service: serviceName(this.language, service), tool: toolName(this.language, { service, tool }) }));
    if (fraction === null) this.bar.removeAttribute('value');
    else this.bar.value = fraction;
    this.message.textContent = printable(message || (fraction === null ? '' : this.language.percent(fraction)));
  }

  /** The details of the call. No credential reaches the page. */
  #rows(call, took) {
    const { language } = this;
    const explained = language.has(`error.${call.error}.symptom`);
    const { symptom, remedy } = explained ? errorWords(language, call.error, call.service) : {};
    return [
      ['tool.service', call.service && element('code', {}, call.service)],
      ['tool.tool', call.tool && element('code', {}, call.tool)],
      ['tool.identity', identitySentence(language, call)],
      ['tool.audience', call.audience],
      ['tool.scope', call.scope],
      ['tool.credential', call.credential],
      ['tool.duration', took],
      ['tool.reason', call.declined || undefined],
      ['tool.outcome', call.expired ? language.text('tool.expired') : explained ? language.text('tool.outcome_code', { symptom, code: call.error }) : language.text(call.question && call.outcome === 'waiting' ? 'tool.outcome_running' : `tool.outcome_${call.outcome}`)],
      ['tool.remedy', explained ? language.sentence(remedy) : undefined],
      ['tool.consent', call.consentUrl && element('a', { href: call.consentUrl, target: '_blank', rel: 'noopener noreferrer' }, language.text('approval.open'))],
    ].filter(([, value]) => value !== undefined);
  }
}

/** The key of the title of a call. */
function titleOf({ service, expired, withdrawn, declined, declinedByAnother, ofAnother, question, outcome }) {
  if (question && outcome === 'waiting') return 'tool.waiting_for_answer';
  if (ofAnother && outcome === 'waiting') return 'tool.waiting_for_another';
  if (withdrawn) return 'tool.withdrawn';
  if (expired) return service ? 'tool.expired_of' : 'tool.expired_unnamed';
  if (declinedByAnother) return 'tool.declined_by_another';
  return declined === undefined ? `tool.${outcome}` : 'tool.declined_of';
}

/** The duration of a call; empty for a call that was not made. */
function duration(language, { durationMs, outcome }) {
  return durationMs === undefined || outcome === 'not_called' ? undefined : language.duration(durationMs);
}
