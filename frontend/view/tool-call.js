/** A tool call in an answer: one line that says what was called and as whom, and opens to the particulars. */

import { element } from './element.js';
import { icon } from './icon.js';
import { identityBadge, identityKind, serviceName } from './identity.js';

const SENTENCES = new Set(['tool.identity', 'tool.outcome', 'tool.remedy']);
const OUTCOME_ICONS = { ok: 'check', failed: 'cross', unknown: 'question' };

export class ToolCall {
  #shown = '';

  constructor(language) {
    this.language = language;
    this.summary = element('summary');
    this.particulars = element('dl');
    this.element = element('details', { class: 'tool' }, this.summary, this.particulars);
  }

  update(call) {
    const state = JSON.stringify(call);
    if (state === this.#shown) return;
    this.#shown = state;
    const { language } = this;
    this.element.className = `tool tool-${call.outcome}`;
    this.summary.replaceChildren(
      element('span', { class: 'outcome' }, call.outcome === 'running' ? element('span', { class: 'spinner' }) : icon(OUTCOME_ICONS[call.outcome])),
      element('span', { class: 'what' },
        language.text(`tool.${call.outcome}`, { service: serviceName(language, call.service) }), ' ',
        element('code', {}, call.tool)),
      identityBadge(language, call.accessIdentity),
      element('span', { class: 'took' }, call.durationMs === undefined ? '' : language.duration(call.durationMs)),
      icon('chevron'),
    );
    this.particulars.replaceChildren(...this.#rows(call).flatMap(([label, value]) => [
      element('dt', {}, language.text(label)), element('dd', { class: SENTENCES.has(label) && 'sentence' }, value),
    ]));
  }

  /** What is known of the call. No credential ever reaches the page. */
  #rows(call) {
    const { language } = this;
    const outcome = language.text(`tool.outcome_${call.outcome}`);
    const symptom = `error.${call.error}.symptom`;
    const rows = [
      ['tool.service', call.service],
      ['tool.tool', call.tool],
      ['tool.identity', language.text(`identity.${identityKind(call.accessIdentity)}_long`)],
      ['tool.audience', call.audience],
      ['tool.scope', call.scope],
      ['tool.credential', call.credential],
      ['tool.duration', call.durationMs === undefined ? undefined : language.duration(call.durationMs)],
      ['tool.outcome', language.has(symptom) ? `${language.text(symptom)} (${call.error})` : outcome],
    ];
    if (language.has(symptom)) rows.push(['tool.remedy', language.text(`error.${call.error}.remedy`)]);
    return rows.filter(([, value]) => value !== undefined);
  }
}
