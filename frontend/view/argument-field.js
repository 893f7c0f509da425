/** One argument of a call, to be changed: as text, or as JSON if it is no text. */

import { element } from './element.js';

const MOST_ROWS = 8;
const LINE = 60;
let number = 0;

export class ArgumentField {
  /** Whether the value that was read last is no JSON. */
  invalid = false;

  constructor(language, name, value) {
    Object.assign(this, { language, name });
    this.isText = typeof value === 'string';
    this.example = this.isText ? '' : JSON.stringify(value);
    const text = this.isText ? value : JSON.stringify(value, null, 2);
    const rows = text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / LINE), 0);
    const id = `argument-${number += 1}`;
    this.input = element('textarea', { 'rows': Math.min(rows, MOST_ROWS), 'aria-describedby': id, 'spellcheck': 'false' });
    this.input.value = text;
    this.problem = element('span', { id, class: 'problem', hidden: true });
    this.element = element('div', {}, element('label', {}, name, this.input), this.problem);
  }

  /** The value; `undefined` if it is no JSON, which the field then shows. */
  read() {
    const value = this.isText ? this.input.value : parsed(this.input.value);
    this.invalid = value === undefined;
    if (this.invalid) this.input.setAttribute('aria-invalid', 'true');
    else this.input.removeAttribute('aria-invalid');
    this.problem.hidden = !this.invalid;
    this.problem.textContent = this.invalid ? this.language.text('approval.not_json', { name: this.name, example: this.example }) : '';
    return value;
  }
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
