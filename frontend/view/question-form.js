/** What the server of a tool asks the user: the fields of its form, or a page that it wants them to open. */

import { ArgumentField, choicesOf, hintOf, titleOf } from './argument-field.js';
import { element } from './element.js';
import { icon } from './icon.js';

export class QuestionForm {
  /** @param {{parameters: {properties: Record<string, object>, required?: string[]}, arguments: object}} approval */
  constructor(language, { parameters, arguments: defaults }) {
    const { properties = {}, required = [] } = parameters;
    this.fields = Object.entries(properties).map(([name, schema]) => {
      const value = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
      const needed = required.includes(name);
      if (schema.type === 'array') return new SeveralField(language, name, schema, value ?? [], needed);
      const text = value === undefined ? '' : String(value);
      return new ArgumentField(language, { name, label: titleOf(schema) ?? name, text }, value, schema, needed);
    });
    this.elements = this.fields.map((field) => field.element);
  }

  /** The content as JSON, without fields that are empty; `undefined` if a field is not valid, which then has the focus. */
  read() {
    const members = this.fields.map((field) => [field.name, field.read()]);
    const wrong = this.fields.find(({ invalid }) => invalid);
    if (wrong) {
      wrong.input.focus();
      return undefined;
    }
    return `{${members.filter(([, json]) => json !== undefined).map(([name, json]) => `${JSON.stringify(name)}:${json}`).join()}}`;
  }
}

/** Several of the values that a schema lists. */
class SeveralField {
  invalid = false;

  constructor(language, name, schema, chosen, needed) {
    Object.assign(this, { language, name, schema, needed, label: titleOf(schema) ?? name });
    this.choices = choicesOf(schema.items ?? {}) ?? [];
    this.boxes = this.choices.map(({ value }) => element('input', { type: 'checkbox', checked: chosen.includes(value), onchange: () => this.read() }));
    [this.input] = this.boxes;
    this.problem = element('span', { class: 'problem', role: 'status' });
    this.element = element('fieldset', {}, element('legend', {}, this.label), hintOf(language, schema, needed),
      ...this.choices.map(({ label }, index) => element('label', { class: 'choice' }, this.boxes[index], label)), this.problem);
  }

  read() {
    const { language, label, schema: { minItems = 0, maxItems = Infinity }, needed } = this;
    const chosen = this.choices.filter((_, index) => this.boxes[index].checked).map(({ value }) => value);
    const least = needed ? Math.max(minItems, 1) : minItems;
    const none = chosen.length === 0 && !needed;
    const fault = none ? undefined : chosen.length < least ? ['few', least] : chosen.length > maxItems ? ['many', maxItems] : undefined;
    this.invalid = fault !== undefined;
    this.problem.textContent = fault ? language.text(`question.fault_${fault[0]}`, { name: label, bound: fault[1] }) : '';
    return none ? undefined : JSON.stringify(chosen);
  }
}

/** A page that a server wants opened: its whole address, in which the host is marked. Only a click opens it. */
export function pageToOpen(language, { url, question: { host } }) {
  const at = url.toLowerCase().indexOf(host.toLowerCase(), url.indexOf('//') + 2);
  const parts = at < 0 ? [url] : [url.slice(0, at), element('mark', {}, url.slice(at, at + host.length)), url.slice(at + host.length)];
  return [
    element('p', {}, language.text('question.address')),
    element('p', { class: 'address' }, ...parts),
    /(^|\.)xn--/i.test(host) && element('p', { class: 'symptom' }, icon('alert'), ' ', language.text('question.lookalike')),
  ].filter(Boolean);
}
