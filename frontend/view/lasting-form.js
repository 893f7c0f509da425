/**
 * What a person approves beyond one call, of what the policy offers. It begins with the least: the shortest time, this
 * conversation, the arguments of this call. Each can be widened to what is offered; bounds are checked while the person types.
 */

import { ArgumentField } from './argument-field.js';
import { element } from './element.js';
import { printable } from '../printable.js';

/** Times that may be shorter than the offered one, in seconds. */
const SHORTER = [900, 3600, 4 * 3600, 8 * 3600];

export class LastingForm {
  /**
   * @param {{seconds: number, conversation_only: boolean, bounds: Record<string, object>, display: {name: string, label: string, text: string}[]}} offered
   * @param {{name: string, label: string, text: string, value: unknown}[]} call the arguments of this call
   */
  constructor(language, { seconds, conversation_only: only, bounds, display }, call) {
    Object.assign(this, { language, seconds, only, call, offered: bounds });
    const now = Date.now();
    this.time = select([...SHORTER.filter((shorter) => shorter < seconds), seconds].map((each) =>
      [each, language.text('lasting.until', { wait: language.wait(each), time: language.until(now + each * 1000) })]));
    this.where = select([['here', language.text('lasting.here')], ['everywhere', language.text('lasting.everywhere')]]);
    this.which = select([['these', language.text('lasting.these')], ['bounds', language.text('lasting.bounds')]], () => this.#showWhich());
    this.bounds = display.map((displayed) => boundField(language, displayed, bounds[displayed.name]));
    this.exact = element('div', { class: 'exact' }, ...call.map(({ label, text }) => fixed(label, text)));
    this.wide = element('div', { class: 'bounds' }, ...this.bounds.map((bound) => bound.element));
    const hasBounds = this.#wider.length > 0;
    this.elements = [
      labelled(language.text('lasting.time'), this.time),
      !only && labelled(language.text('lasting.where'), this.where),
      hasBounds && labelled(language.text('lasting.which'), this.which),
      this.exact,
      this.wide,
    ].filter(Boolean);
    this.#showWhich();
  }

  /** What is approved, as members of JSON; `undefined` if a bound is not valid, which then has the focus. */
  read() {
    const changed = this.which.value === 'these' ? this.#exactly() : this.#narrowed();
    if (changed === undefined) return undefined;
    const members = [
      Number(this.time.value) !== this.seconds && `"seconds":${this.time.value}`,
      !this.only && this.where.value === 'here' && '"conversation_only":true',
      changed.length > 0 && `"bounds":{${changed.join()}}`,
    ];
    return `{${members.filter(Boolean).join()}}`;
  }

  /** The arguments for which more than the value of this call is offered. */
  get #wider() {
    return this.call.filter(({ name }) => this.offered[name] !== undefined && !('equal' in this.offered[name]));
  }

  #showWhich() {
    const these = this.which.value === 'these';
    this.exact.hidden = !these;
    this.wide.hidden = these;
  }

  /** The values of this call, with all their digits. */
  #exactly() {
    return this.#wider.map(({ name, text, value }) => `${JSON.stringify(name)}:{"equal":${typeof value === 'string' ? JSON.stringify(value) : text}}`);
  }

  /** The bounds that are narrower than the offer. */
  #narrowed() {
    const narrowed = this.bounds.map((bound) => [bound.name, bound.read()]);
    const invalid = this.bounds.find((bound) => bound.invalid);
    if (invalid) {
      invalid.invalid.focus();
      return undefined;
    }
    return narrowed.filter(([, json]) => json !== undefined).map(([name, json]) => `${JSON.stringify(name)}:${json}`);
  }
}

/** @param {[string | number, string][]} choices values and their texts, the least first */
function select(choices, onchange) {
  return element('select', { onchange }, ...choices.map(([value, text]) => element('option', { value }, text)));
}

function labelled(text, field) {
  return element('label', {}, text, field);
}

function fixed(label, text) {
  return element('p', { class: 'fixed' }, `${label}: `, element('strong', {}, text));
}

/** The field of a bound: `read` is its JSON, `undefined` if it is as offered; `invalid` is what must be corrected. */
function boundField(language, displayed, bound) {
  const values = bound.one_of;
  if ('min' in bound) return new RangeBound(language, displayed);
  if ('prefix' in bound && printable(bound.prefix) === bound.prefix) return new PrefixBound(language, displayed, bound.prefix);
  if (values?.length > 1 && values.every((value) => typeof value === 'string')) return new ChoiceBound(language, displayed, values);
  return { name: displayed.name, read() {}, element: fixed(displayed.label, displayed.text) };
}

class RangeBound {
  /** @param {{name: string, label: string, text: string}} displayed the ends with all their digits */
  constructor(language, { name, label, text }) {
    this.name = name;
    this.offered = text.split(' – ');
    const [minimum, maximum] = this.offered.map(Number);
    this.ends = ['least', 'most'].map((end, index) => new ArgumentField(language,
      { name, label: language.text(`lasting.${end}`, { name: label }), text: this.offered[index] }, Number(this.offered[index]), { type: 'number', minimum, maximum }));
    this.element = element('div', { class: 'range' }, ...this.ends.map((end) => end.element));
  }

  read() {
    const [least, most] = this.ends;
    const json = [least.read(), most.read()];
    if (!least.invalid && !most.invalid) {
      least.schema = { ...most.schema, maximum: Number(most.input.value) };
      least.read();
      least.schema = most.schema;
    }
    this.invalid = this.ends.find((end) => end.invalid)?.input;
    return json.join() === this.offered.join() ? undefined : `{"min":${json[0]},"max":${json[1]}}`;
  }
}

class PrefixBound {
  constructor(language, { name, label }, prefix) {
    this.name = name;
    this.prefix = prefix;
    this.field = new ArgumentField(language, { name, label: language.text('lasting.prefix', { name: label }), text: prefix }, prefix, { prefix });
    this.element = this.field.element;
  }

  read() {
    const json = this.field.read();
    this.invalid = this.field.invalid ? this.field.input : undefined;
    return this.field.input.value === this.prefix ? undefined : `{"prefix":${json}}`;
  }
}

class ChoiceBound {
  constructor(language, { name, label }, values) {
    Object.assign(this, { language, name, values });
    this.boxes = values.map(() => element('input', { type: 'checkbox', checked: true, onchange: () => this.read() }));
    this.problem = element('span', { class: 'problem', role: 'status' });
    this.element = element('fieldset', {}, element('legend', {}, label), ...values.map((value, index) => element('label', { class: 'choice' },
      this.boxes[index], value)), this.problem);
  }

  read() {
    const chosen = this.values.filter((_, index) => this.boxes[index].checked);
    this.invalid = chosen.length === 0 ? this.boxes[0] : undefined;
    this.problem.textContent = chosen.length > 0 ? '' : this.language.text('lasting.fault_none');
    return chosen.length === this.values.length ? undefined : `{"one_of":${JSON.stringify(chosen)}}`;
  }
}
