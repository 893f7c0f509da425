/** One argument of a call, to be changed: as text, or as JSON if it is no text, or one that cannot be shown as it is. */

import { element } from './element.js';
import { isJson } from '../printable.js';

const MOST_ROWS = 8;
const LINE = 60;
let number = 0;

export class ArgumentField {
  /** Whether the value that was read last is no JSON. */
  invalid = false;

  /**
   * @param {{name: string, label: string, text: string}} displayed the argument as the agent shows it: JSON has all digits
   * @param {unknown} value
   */
  constructor(language, { name, label, text }, value) {
    Object.assign(this, { language, name, label });
    this.isText = value === text;
    this.example = this.isText ? '' : text;
    const rows = text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / LINE), 0);
    const id = `argument-${number += 1}`;
    this.input = element('textarea', { 'rows': Math.min(rows, MOST_ROWS), 'aria-describedby': id, 'spellcheck': 'false' });
    this.input.value = text;
    this.problem = element('span', { id, class: 'problem', hidden: true });
    this.element = element('div', {}, element('label', {}, label, this.input), this.problem);
  }

  /** The value as JSON; if it is none, the field shows that. */
  read() {
    const json = this.isText ? JSON.stringify(this.input.value) : this.input.value;
    this.invalid = !isJson(json);
    if (this.invalid) this.input.setAttribute('aria-invalid', 'true');
    else this.input.removeAttribute('aria-invalid');
    this.problem.hidden = !this.invalid;
    this.problem.textContent = this.invalid ? this.language.text('approval.not_json', { name: this.label, example: this.example }) : '';
    return json;
  }
}
