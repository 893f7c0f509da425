/** The chat of this tab: asks the agent, and tells its observers what has changed. */

import { AgentFailure } from './agent-failure.js';
import { addEvent, chatMessages, endAnswer, newTurn } from './conversation.js';

/**
 * Events: `turns` (a turn came or went, is being edited or no longer) and `answer` (the last answer grew or ended).
 *
 * Nothing is lost by one click: a question that is edited keeps its answer until the new one is sent, and what was
 * replaced or cleared can be had back until the next question.
 */
export class Chat extends EventTarget {
  #running;

  /** Whether the last question is being edited: the next one that is sent replaces it. */
  editing = false;

  /** What `undo` brings back, and what took it away. @type {{turns: object[], by: 'replaced' | 'cleared'} | undefined} */
  undoable;

  /**
   * @param {(request: {messages: object[], signal: AbortSignal}) => AsyncIterable<object>} ask
   * @param {import('./conversation.js').Turn[]} turns
   */
  constructor(ask, turns = []) {
    super();
    this.ask = ask;
    this.turns = turns;
  }

  get busy() {
    return this.#running !== undefined;
  }

  /** Asks, and resolves when the answer has ended, in whichever way. One question at a time. */
  async send(question) {
    if (this.busy) return;
    this.undoable = this.editing ? { turns: this.turns, by: 'replaced' } : undefined;
    if (this.editing) this.turns = this.turns.slice(0, -1);
    this.editing = false;
    const turn = newTurn(question);
    const running = new AbortController();
    this.#running = running;
    this.turns.push(turn);
    this.#tell('turns');
    try {
      for await (const event of this.ask({ messages: chatMessages(this.turns), signal: running.signal })) {
        addEvent(turn.answer, event);
        this.#tell('answer');
      }
      endAnswer(turn.answer, 'done');
    } catch (error) {
      if (running.signal.aborted) endAnswer(turn.answer, 'stopped');
      else endAnswer(turn.answer, 'failed', failureMembers(error));
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
    this.#tell('answer');
  }

  /** Ends the request; the agent's run ends with it. What has come so far stays. */
  stop() {
    this.#running?.abort();
  }

  /** Asks the last question again; the answer of before can be had back. */
  askAgain() {
    if (this.busy || this.turns.length === 0) return undefined;
    this.editing = true;
    return this.send(this.turns.at(-1).question);
  }

  /** Begins to edit the last question, and returns it; `undefined` while an answer is under way. */
  edit() {
    if (this.busy || this.turns.length === 0) return undefined;
    this.editing = true;
    this.#tell('turns');
    return this.turns.at(-1).question;
  }

  stopEditing() {
    this.editing = false;
    this.#tell('turns');
  }

  /** Stops, and begins anew. */
  clear() {
    this.#leave();
    if (this.turns.length > 0) this.undoable = { turns: this.turns, by: 'cleared' };
    this.turns = [];
    this.#tell('turns');
  }

  /** Brings back what was replaced or cleared last. An answer that is under way is stopped. */
  undo() {
    if (!this.undoable) return;
    this.#leave();
    this.turns = this.undoable.turns;
    this.undoable = undefined;
    this.#tell('turns');
  }

  /** Stops, and forgets everything: the person has left. */
  forget() {
    this.#leave();
    this.turns = [];
    this.undoable = undefined;
    this.#tell('turns');
  }

  #leave() {
    this.stop();
    this.#running = undefined;
    this.editing = false;
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** Plain members, so that a failed turn can be kept over a reload. */
function failureMembers(error) {
  if (!(error instanceof AgentFailure)) {
    console.error(error); // no secret: messages of our own and of the browser
    return { code: 'page_failed' };
  }
  const { code, status, said, service, requestId, retryAt, signInAgain } = error;
  return { code, status, said, service, requestId, retryAt, signInAgain };
}
