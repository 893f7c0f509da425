/**
 * One argument of a call, to be changed, in a field of the type that the tool's schema names: a choice, a switch, a number,
 * a date, a text; everything else as JSON. It is checked while the user types. What the agent shows has all digits, and is
 * sent as it was written.
 */

import { element } from './element.js';
import { isJson } from '../printable.js';

const MOST_ROWS = 8;
const LINE = 60;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** The pattern of a date, which tools declare in place of the format. */
const DAY = '^\\d{4}-\\d{2}-\\d{2}$';
let number = 0;

export class ArgumentField {
  /** Whether the value breaks the schema. */
  invalid = false;

  /**
   * @param {{name: string, label: string, text: string}} displayed the argument as the agent shows it: JSON has all digits
   * @param {unknown} value
   * @param {object} [schema] JSON Schema of the argument
   */
  constructor(language, { name, label, text }, value, schema = {}) {
    Object.assign(this, { language, name, label: labelOf(label, schema), schema });
    this.kind = kindOf(schema, value, text);
    this.example = this.kind === 'text' ? '' : text;
    const id = `argument-${number += 1}`;
    this.input = this.#field(text, value);
    this.input.setAttribute('aria-describedby', id);
    this.input.addEventListener('input', () => this.read());
    this.problem = element('span', { id, class: 'problem', role: 'status', hidden: true });
    this.element = element('div', {}, element('label', { class: `argument-${this.kind}` }, this.label, this.input), this.problem);
  }

  /** The value as JSON; if it breaks the schema, the field shows that. */
  read() {
    const { language, input, kind, label, example } = this;
    const fault = this.#fault();
    this.invalid = fault !== undefined;
    if (this.invalid) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    this.problem.hidden = !this.invalid;
    this.problem.textContent = this.invalid ? language.text(`approval.fault_${fault.kind}`, { name: label, example, bound: fault.bound }) : '';
    if (kind === 'switch') return String(input.checked);
    return kind === 'text' || kind === 'date' ? JSON.stringify(input.value) : input.value;
  }

  #field(text, value) {
    const { schema, kind } = this;
    if (kind === 'switch') return element('input', { type: 'checkbox', role: 'switch', checked: value === true });
    if (kind === 'choice') {
      return element('select', {}, ...schema.enum.map((choice) => element('option',
        { value: JSON.stringify(choice), selected: choice === value }, typeof choice === 'string' ? choice : JSON.stringify(choice))));
    }
    if (kind === 'number') return element('input', { type: 'text', inputmode: schema.type === 'integer' ? 'numeric' : 'decimal', autocomplete: 'off', value: text });
    if (kind === 'date') return element('input', { type: 'date', value: text });
    const rows = text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / LINE), 0);
    const field = element('textarea', { rows: Math.min(rows, MOST_ROWS), spellcheck: 'false' });
    field.value = text;
    return field;
  }

  /** The first rule of the schema that the value breaks. The agent checks all of it. */
  #fault() {
    const { schema, kind, input: { value } } = this;
    if (kind === 'json') return isJson(value) ? undefined : { kind: 'json' };
    if (kind === 'date') return value === '' ? { kind: 'date' } : undefined;
    if (kind === 'number') {
      if (!NUMBER.test(value) || (schema.type === 'integer' && !/^-?\d+$/.test(value))) return { kind: schema.type === 'integer' ? 'integer' : 'number' };
      if (Number(value) < schema.minimum) return { kind: 'minimum', bound: schema.minimum };
      if (Number(value) > schema.maximum) return { kind: 'maximum', bound: schema.maximum };
    }
    if (kind === 'text') {
      const length = [...value].length;
      if (schema.prefix !== undefined && !value.startsWith(schema.prefix)) return { kind: 'prefix', bound: schema.prefix };
      if (length < schema.minLength) return { kind: 'short', bound: schema.minLength };
      if (length > schema.maxLength) return { kind: 'long', bound: schema.maxLength };
    }
    return undefined;
  }
}

/** The name of an argument: the tool's, if its schema has one. */
export function labelOf(label, schema) {
  return typeof schema?.title === 'string' && schema.title !== '' ? schema.title : label;
}

/** A value that the field of its type cannot show as it is has another field. */
function kindOf({ enum: choices, type, format, pattern }, value, text) {
  if (Array.isArray(choices) && choices.includes(value)) return 'choice';
  if (typeof value === 'boolean') return 'switch';
  if (typeof value === 'number' && (type === undefined || ['integer', 'number'].includes(type))) return 'number';
  if (value !== text) return 'json';
  return (format === 'date' || pattern === DAY) && new RegExp(DAY).test(text) ? 'date' : 'text';
}
