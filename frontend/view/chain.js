/** Who acted for whom in the last answer: the person, the agent, and each service with the identity it was called under. */

import { toolCalls } from '../chat/conversation.js';
import { element } from './element.js';
import { icon } from './icon.js';
import { identityBadge, serviceName } from './identity.js';

const WIDE = '(min-width: 70rem)';

export class ChainView {
  #shown = '';

  constructor(language, session) {
    this.language = language;
    this.name = session.name || language.text('account.unnamed');
    this.list = element('ol', { class: 'links' });
    this.note = element('p', { class: 'note' });
    this.short = element('span', { class: 'short' });
    this.element = element('details', { class: 'chain', open: matchMedia(WIDE).matches },
      element('summary', {}, icon('chevron'), element('h2', {}, language.text('chain.title')), this.short), this.list, this.note);
  }

  /** @param {import('../chat/conversation.js').Turn | undefined} turn the last one */
  update(turn) {
    const uses = serviceUses(turn);
    const state = JSON.stringify([uses, turn?.answer.status]);
    if (state === this.#shown) return;
    this.#shown = state;
    const { language } = this;
    const agent = this.#link('agent', language.text('app.name'), language.text('chain.agent'));
    if (uses.length > 0) agent.append(element('ul', { class: 'uses' }, ...uses.map((use) => this.#use(use))));
    this.list.replaceChildren(this.#link('person', this.name, language.text('chain.you')), agent);
    this.short.replaceChildren(...uses.map(({ accessIdentity }) => identityBadge(language, accessIdentity)));
    const answered = turn?.answer.status === 'done'; // one that failed or was stopped may have needed one
    this.note.textContent = uses.length > 0 ? '' : language.text(answered ? 'chain.no_tools' : 'chain.none');
    this.note.hidden = uses.length > 0;
  }

  #link(name, title, detail) {
    return element('li', { class: `link link-${name}` }, element('span', { class: 'dot' }, icon(name)),
      element('div', {}, element('strong', {}, title), element('span', {}, detail)));
  }

  #use({ service, accessIdentity, audience, scope, credential, count, failed }) {
    const { language } = this;
    return element('li', {}, element('strong', {}, serviceName(language, service)),
      identityBadge(language, accessIdentity),
      ...[audience, scope, credential].filter(Boolean).map((carried) => element('code', { class: 'carried' }, ...pieces(carried))),
      count > 1 && element('span', {}, language.text('chain.calls', { count })),
      failed && element('span', { class: 'failed' }, language.text('chain.failed')));
  }
}

/** A long name with places to break it: after a dot or a slash. */
function pieces(name) {
  return name.split(/(?<=[./])(?![./])/).flatMap((piece) => [piece, element('wbr')]);
}

/** One entry for each service and what its calls carried, in the order of first use. `failed`: no call of it succeeded. */
export function serviceUses(turn) {
  const uses = new Map();
  for (const { service, accessIdentity, audience, scope, credential, outcome } of turn ? toolCalls(turn.answer) : []) {
    const carried = { service, accessIdentity, audience, scope, credential };
    const key = JSON.stringify(carried);
    const use = uses.get(key) ?? { ...carried, count: 0, failed: true };
    uses.set(key, { ...use, count: use.count + 1, failed: use.failed && outcome === 'failed' });
  }
  return [...uses.values()];
}
