/** What is attached to the next question: chosen, pasted or dropped; shown before it is sent, and taken away again. */

import { attached, MOST_IMAGES } from '../chat/files.js';
import { element } from './element.js';
import { icon } from './icon.js';

export class Attachments {
  #files = [];

  /** @param {(text: string) => void} announce @param {() => void} changed */
  constructor(language, announce, changed) {
    Object.assign(this, { language, announce, changed });
    const input = element('input', { type: 'file', accept: 'image/*', multiple: true, hidden: true, onchange: () => {
      this.add([...input.files]);
      input.value = '';
    } });
    this.button = element('button', {
      'type': 'button', 'class': 'quiet', 'aria-label': language.text('files.attach'), 'title': language.text('files.attach'), 'hidden': true,
      'onclick': () => input.click(),
    }, icon('image'), input);
    this.list = element('ul', { 'class': 'attached', 'aria-label': language.text('files.attached'), 'hidden': true });
  }

  /** Takes images of the clipboard, and what is dropped onto `target`. */
  receiveFrom(target) {
    target.addEventListener('paste', (event) => this.#receive(event, event.clipboardData));
    target.addEventListener('dragover', (event) => { if (this.enabled && event.dataTransfer.types.includes('Files')) event.preventDefault(); });
    target.addEventListener('drop', (event) => this.#receive(event, event.dataTransfer));
  }

  get enabled() {
    return !this.button.hidden;
  }

  set enabled(enabled) {
    this.button.hidden = !enabled;
  }

  get some() {
    return this.#files.length > 0;
  }

  /** What is attached; nothing is, after that. */
  take() {
    const files = this.#files;
    this.#files = [];
    this.#show();
    return files;
  }

  /** @param {object[]} files that `take` has returned */
  giveBack(files) {
    this.#files.unshift(...files);
    this.#show();
  }

  /** @param {File[]} chosen */
  async add(chosen) {
    const { language } = this;
    for (const file of chosen) {
      if (this.#files.length === MOST_IMAGES) return this.announce(language.text('files.most', { count: MOST_IMAGES }));
      const image = await attached(file);
      if (!image) this.announce(language.text('files.no_image', { name: file.name }));
      else if (this.#files.length < MOST_IMAGES) this.#files.push(image);
      this.#show();
    }
    return undefined;
  }

  #receive(event, { files }) {
    if (!this.enabled || files.length === 0) return;
    event.preventDefault();
    this.add([...files]);
  }

  #show() {
    this.list.hidden = !this.some;
    this.list.replaceChildren(...this.#files.map((file) => element('li', {},
      element('img', { src: file.url, alt: file.name }),
      element('button', {
        'type': 'button', 'class': 'quiet', 'aria-label': this.language.text('files.remove', { name: file.name }),
        'onclick': () => {
          this.#files.splice(this.#files.indexOf(file), 1);
          this.#show();
        },
      }, icon('cross')))));
    this.changed();
  }
}
