/** Above the composer: what an action has changed or will do, and its undo. It stays until the next question. */

import { deviceName } from './device.js';
import { element } from './element.js';
import { serviceName } from './names.js';

export class Notice {
  #shown = '';

  /** @param {{undo: () => void, unqueue: () => void}} actions */
  constructor(language, actions) {
    this.language = language;
    this.actions = actions;
    this.element = element('div', { class: 'card notice', role: 'status' });
  }

  /** @param {import('../chat/chat.js').Chat} chat */
  update(chat) {
    const { undoable, queued, notUndone, decidedElsewhere, gone } = chat;
    const { language, actions } = this;
    const shown = [];
    if (queued !== undefined) {
      shown.push(language.text('chat.queued', { text: queued }), ['chat.cancel', actions.unqueue]);
    } else if (decidedElsewhere !== undefined) {
      const { at, on } = decidedElsewhere;
      const values = { time: language.time(at), device: deviceName(on) };
      shown.push(language.text(on ? 'approval.decided_on' : 'approval.decided_elsewhere', values));
    } else if (gone) {
      shown.push(language.text('chat.gone'));
    } else if (undoable) {
      shown.push(language.text(`chat.undo_${undoable.by}`), ['chat.undo', actions.undo]);
    } else if (notUndone.length > 0) {
      shown.push(notUndoneWords(language, notUndone));
    }
    const state = JSON.stringify(shown);
    if (state === this.#shown) return;
    this.#shown = state;
    const [text, action] = shown;
    this.element.replaceChildren(...(text === undefined ? [] : [element('span', {}, text)]),
      ...(action ? [element('button', { type: 'button', class: 'quiet', onclick: action[1] }, language.text(action[0]))] : []));
  }
}

/** What sending an edited question replaces, and which services have changed something that stays. */
export function editNote(language, chat, turn) {
  const replaces = language.text(turn.id === chat.turns.at(-1).id ? 'chat.editing' : 'chat.editing_earlier');
  const changed = chat.calledSince(turn);
  return language.sentences(replaces, changed.length > 0 && notUndoneWords(language, changed));
}

function notUndoneWords(language, services) {
  return language.text('chat.not_undone', { services: language.list(services.map((name) => serviceName(language, name))) });
}
