/**
 * One value that a schema describes, in a field of its type: a choice, a switch, a number, a date, a text; everything else
 * as JSON. It is checked while the user types. What the agent shows has all digits, and is sent as it was written.
 */

import { element } from './element.js';
import { isJson } from '../printable.js';

const MOST_ROWS = 8;
const LINE = 60;
const LONGEST_TITLE = 60;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** The pattern of a date, which tools declare in place of the format. */
const DAY = '^\\d{4}-\\d{2}-\\d{2}$';
/** Formats of texts whose fields browsers check. */
const CHECKED = { email: 'email', uri: 'url' };
let number = 0;

export class ArgumentField {
  /** Whether the value breaks the schema. */
  invalid = false;

  /**
   * @param {{name: string, label: string, text: string}} displayed the value as the agent shows it: JSON has all digits
   * @param {unknown} value `undefined`: there is none yet
   * @param {object} [schema] JSON Schema of the value
   * @param {boolean} [needed] of a form: whether the field must be filled in; `false`: an empty field has no value
   */
  constructor(language, { name, label, text }, value, schema = {}, needed = undefined) {
    Object.assign(this, { language, name, label, schema, needed });
    this.kind = kindOf(schema, value, text, needed !== undefined);
    this.example = this.kind === 'text' ? '' : text;
    const id = `argument-${number += 1}`;
    this.input = this.#field(text, value);
    this.input.setAttribute('aria-describedby', id);
    if (needed) this.input.setAttribute('aria-required', 'true');
    this.input.addEventListener('input', () => this.read());
    this.problem = element('span', { id, class: 'problem', role: 'status' });
    const hint = needed !== undefined && hintOf(language, schema, needed || this.kind === 'switch');
    this.element = element('div', {}, element('label', { class: `argument-${this.kind}`, title: name !== label && name }, this.label, hint, this.input), this.problem);
  }

  /** The value as JSON; if it breaks the schema, the field shows that. `undefined`: no value. */
  read() {
    const { language, input, kind, label, example } = this;
    const fault = this.#fault();
    this.invalid = fault !== undefined;
    if (this.invalid) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    this.problem.textContent = this.invalid ? language.text(`approval.fault_${fault.kind}`, { name: label, example, bound: fault.bound }) : '';
    if (kind === 'switch') return String(input.checked);
    if (input.value === '' && this.needed === false) return undefined;
    if (kind === 'moment') return JSON.stringify(this.invalid ? '' : new Date(input.value).toISOString());
    return kind === 'text' || kind === 'date' ? JSON.stringify(input.value) : input.value;
  }

  #field(text, value) {
    const { schema, kind, needed } = this;
    if (kind === 'switch') return element('input', { type: 'checkbox', role: 'switch', checked: value === true });
    if (kind === 'choice') {
      const none = value === undefined || needed === false ? [element('option', { value: '' })] : [];
      return element('select', {}, ...none, ...choicesOf(schema).map((choice) => element('option',
        { value: JSON.stringify(choice.value), selected: choice.value === value }, needed === undefined ? argumentChoice(choice) : choice.label)));
    }
    if (kind === 'number') return element('input', { type: 'text', inputmode: schema.type === 'integer' ? 'numeric' : 'decimal', autocomplete: 'off', value: text });
    if (kind === 'date') return element('input', { type: 'date', value: text });
    if (kind === 'moment') return element('input', { type: 'datetime-local', step: 1, value: localMoment(text) });
    if (needed !== undefined && Object.hasOwn(CHECKED, schema.format ?? '')) return element('input', { type: CHECKED[schema.format], autocomplete: 'off', value: text });
    const rows = text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / LINE), 0);
    const field = element('textarea', { rows: Math.min(rows, MOST_ROWS), spellcheck: 'false' });
    field.value = text;
    return field;
  }

  /** The first rule of the schema that the value breaks. The agent checks all of it. */
  #fault() {
    const { schema, kind, needed, input: { value, validity } } = this;
    if (value === '' && kind !== 'switch' && needed !== undefined) return needed ? { kind: 'empty' } : undefined;
    if (kind === 'json') return isJson(value) ? undefined : { kind: 'json' };
    if (kind === 'date' || kind === 'moment') return value === '' ? { kind: 'date' } : undefined;
    if (kind === 'number') {
      if (!NUMBER.test(value) || (schema.type === 'integer' && !/^-?\d+$/.test(value))) return { kind: schema.type === 'integer' ? 'integer' : 'number' };
      if (Number(value) < schema.minimum) return { kind: 'minimum', bound: schema.minimum };
      if (Number(value) > schema.maximum) return { kind: 'maximum', bound: schema.maximum };
    }
    if (kind === 'text') {
      const length = [...value].length;
      if (validity.typeMismatch) return { kind: schema.format };
      if (schema.prefix !== undefined && !value.startsWith(schema.prefix)) return { kind: 'prefix', bound: schema.prefix };
      if (length < schema.minLength) return { kind: 'short', bound: schema.minLength };
      if (length > schema.maxLength) return { kind: 'long', bound: schema.maxLength };
    }
    return undefined;
  }
}

/**
 * An argument of a call under its own name. The title in its schema stands beside it, never in its place: a server could swap
 * the titles of two.
 */
export function argumentLabel(label, schema) {
  const title = titleOf(schema)?.slice(0, LONGEST_TITLE);
  const says = title !== undefined && title.replaceAll(' ', '_').toLowerCase() !== label.toLowerCase();
  return says ? `${label} · ${title}` : label;
}

/** The same for a value that an argument may have. */
export function argumentChoice({ value, label }) {
  return argumentLabel(textOf(value), { title: label });
}

/** The name of a value for people, if its schema has one. */
export function titleOf(schema) {
  return typeof schema?.title === 'string' && schema.title !== '' ? schema.title : undefined;
}

/** What helps to fill in a field of a form. @returns {HTMLElement | false} */
export function hintOf(language, { description }, needed) {
  const hints = [typeof description === 'string' && description, !needed && language.text('question.optional')].filter(Boolean);
  return hints.length > 0 && element('span', { class: 'hint' }, hints.join(' · '));
}

/** The values of which a schema allows one, with what people read. @returns {{value: unknown, label: string}[] | undefined} */
export function choicesOf({ enum: values, enumNames: names, oneOf, anyOf }) {
  const titled = [oneOf, anyOf].find((each) => Array.isArray(each) && each.every((one) => one !== null && typeof one === 'object' && 'const' in one));
  if (titled) return titled.map(({ const: value, title }) => ({ value, label: title ?? String(value) }));
  if (!Array.isArray(values)) return undefined;
  return values.map((value, index) => ({ value, label: names?.[index] ?? textOf(value) }));
}

const textOf = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

/** A value that the field of its type cannot show as it is has another field. */
function kindOf(schema, value, text, inForm) {
  const { type, format, pattern } = schema;
  const choices = choicesOf(schema);
  if (choices && (value === undefined || choices.some((choice) => choice.value === value))) return 'choice';
  if (typeof value === 'boolean' || (value === undefined && type === 'boolean')) return 'switch';
  if (typeof value === 'number' && (type === undefined || ['integer', 'number'].includes(type))) return 'number';
  if (value === undefined && ['integer', 'number'].includes(type)) return 'number';
  if (value !== undefined && value !== text) return 'json';
  if (inForm && format === 'date-time' && (text === '' || localMoment(text) !== '')) return 'moment';
  return (format === 'date' || pattern === DAY) && (value === undefined || new RegExp(DAY).test(text)) ? 'date' : 'text';
}

/** A moment as the field of the browser has it: in the time of this computer. */
function localMoment(text) {
  const moment = Date.parse(text);
  return Number.isNaN(moment) ? '' : new Date(moment - new Date(moment).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
