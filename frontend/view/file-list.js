/** The files of a message: images are shown, and every file can be saved. */

import { dataUrl } from '../chat/files.js';
import { element } from './element.js';
import { icon } from './icon.js';

export class FileList {
  #shown = '';

  /** @param {(id: string) => Promise<Blob>} read the bytes of a file that the agent keeps */
  constructor(language, read) {
    Object.assign(this, { language, read });
    this.element = element('ul', { 'class': 'files', 'aria-label': language.text('files.label'), 'hidden': true });
  }

  /** @param {import('../chat/files.js').FilePart[]} files */
  update(files = []) {
    const state = files.map(({ id, name, url }) => id ?? `${name} ${url?.length}`).join();
    if (state === this.#shown) return;
    this.#shown = state;
    this.element.hidden = files.length === 0;
    this.element.replaceChildren(...files.map((file) => this.#item(file)));
  }

  #item(file) {
    const { language } = this;
    const image = file.media_type.startsWith('image/') && element('img', { alt: language.text('files.image', { name: file.name }) });
    if (image) this.#load(image, file);
    const save = file.id !== undefined && element('button', {
      'type': 'button', 'class': 'quiet', 'aria-label': language.text('files.save', { name: file.name }), 'onclick': () => this.#save(file),
    }, icon('save'), file.name);
    return element('li', {}, image, save);
  }

  async #load(image, { id, url }) {
    try {
      image.src = url ?? await dataUrl(await this.read(id));
    } catch {
      image.replaceWith(this.language.text('files.gone'));
    }
  }

  async #save(file) {
    const blob = await this.read(file.id).catch(() => undefined);
    if (!blob) return;
    const url = URL.createObjectURL(blob);
    element('a', { href: url, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(url));
  }
}
