/** Who acted for whom in the last answer: the person, the agent, and each service with the identity it was called under. */

import { toolCalls } from '../chat/conversation.js';
import { element } from './element.js';
import { icon } from './icon.js';
import { identityBadge, identityKind } from './identity.js';
import { serviceName } from './names.js';

const wide = () => matchMedia('(min-width: 70rem)');

export class ChainView {
  #shown = '';

  /**
   * @param {string} agentName
   * @param {AbortSignal} signal ends observing
   */
  constructor(language, session, agentName, signal) {
    this.language = language;
    this.agentName = agentName;
    this.name = session.name || language.text('account.unnamed');
    this.list = element('ol', { class: 'links' });
    this.note = element('p', { class: 'note' });
    this.short = element('span', { class: 'short' });
    this.summary = element('summary', {}, icon('chevron'), element('h2', {}, language.text('chain.title')), this.short);
    this.element = element('details', { class: 'chain', open: wide().matches },
      this.summary, element('div', { class: 'panel' }, this.list, this.note));
    wide().addEventListener('change', ({ matches }) => { this.element.open = matches; }, { signal });
    this.element.addEventListener('keydown', ({ key }) => { if (key === 'Escape') this.#fold(); });
  }

  /** @param {import('../chat/conversation.js').Turn | undefined} turn the last one */
  update(turn) {
    const uses = serviceUses(turn);
    const state = JSON.stringify([uses, agentState(turn), turn?.answer.status]);
    if (state === this.#shown) return;
    this.#shown = state;
    const { language } = this;
    const agent = this.#link('agent', this.agentName, language.text(agentState(turn)));
    if (uses.length > 0) agent.append(element('ul', { class: 'uses' }, ...uses.map((use) => this.#use(use))));
    this.list.replaceChildren(this.#link('person', this.name, language.text('chain.you')), agent);
    const kinds = [...new Set(uses.map(({ kind }) => kind))];
    this.short.replaceChildren(...kinds.map((kind) => identityBadge(language, kind)));
    this.short.classList.toggle('several', kinds.length > 1);
    const answered = turn?.answer.status === 'done'; // a failed or stopped answer may have needed one
    this.note.textContent = uses.length > 0 ? '' : language.text(answered ? 'chain.no_tools' : 'chain.none');
    this.note.hidden = uses.length > 0;
  }

  /** Where the panel covers the conversation, Esc folds it. */
  #fold() {
    if (wide().matches) return;
    this.element.open = false;
    this.summary.focus();
  }

  #link(name, title, detail) {
    return element('li', { class: `link link-${name}` }, element('span', { class: 'dot' }, icon(name)),
      element('div', {}, element('strong', {}, title), element('span', {}, detail)));
  }

  #use({ service, kind, audience, scope, credential, count, failed }) {
    const { language } = this;
    return element('li', {}, element('strong', {}, serviceName(language, service)),
      identityBadge(language, kind),
      ...[audience, scope, credential].filter(Boolean).map((carried) => element('code', { class: 'carried' }, ...pieces(carried))),
      count > 1 && element('span', {}, language.text('chain.calls', { count })),
      failed && element('span', { class: 'failed' }, language.text('chain.failed')));
  }
}

/** The agent's state in a turn, as a message key. The token counts as verified only after the agent accepted the request. */
export function agentState(turn) {
  if (!turn) return 'chain.agent_not_asked';
  const { accepted, status, failure } = turn.answer;
  if (accepted) return 'chain.agent';
  if (failure?.status === 401) return 'chain.agent_refused';
  return status === 'streaming' ? 'chain.agent_asked' : 'chain.agent_failed';
}

/** The pieces of a long name, which may break after a dot or a slash. */
function pieces(name) {
  return name.split(/(?<=[./])(?![./])/).flatMap((piece) => [piece, element('wbr')]);
}

/**
 * One entry for each service and the credential of its calls, in the order of first use. A call that was refused
 * beforehand carried none. `failed`: calls were made, and none of them succeeded.
 */
export function serviceUses(turn) {
  const uses = new Map();
  for (const call of turn ? toolCalls(turn.answer) : []) {
    const { service, audience, scope, credential, outcome } = call;
    if (outcome === 'waiting') continue; // nothing was called yet
    const kind = identityKind(call);
    const carried = kind === 'not_called' ? { service, kind } : { service, kind, audience, scope, credential };
    const key = JSON.stringify(carried);
    const use = uses.get(key) ?? { ...carried, count: 0, failed: true };
    uses.set(key, { ...use, count: use.count + 1, failed: use.failed && outcome === 'failed' });
  }
  return [...uses.values()];
}
