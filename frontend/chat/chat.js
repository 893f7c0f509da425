/** The chat of this tab: sends questions to the agent, and notifies observers of changes. */

import { AgentFailure } from './agent-failure.js';
import { addEvent, chatMessages, endAnswer, newTurn } from './conversation.js';

/**
 * Events: `turns` (a turn was added or removed, or its editing began or ended) and `answer` (the last answer grew or
 * ended).
 *
 * No single click loses content: an edited question keeps its answer until the new one is sent, and a replaced answer or
 * a cleared conversation can be restored until the next question.
 */
export class Chat extends EventTarget {
  #running;

  /** Whether the last question is being edited: the next question replaces it. */
  editing = false;

  /** What `undo` restores, and which action removed it. @type {{turns: object[], by: 'replaced' | 'cleared'} | undefined} */
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

  /** Sends a question, and resolves when the answer has ended, by success or failure. One question at a time. */
  async send(question) {
    if (this.busy) return;
    this.undoable = this.editing ? { turns: this.turns, by: 'replaced' } : undefined;
    if (this.editing) this.turns = this.turns.slice(0, -1);
    this.editing = false;
    const turn = newTurn(question);
    const running = new AbortController();
    this.#running = running;
    this.turns.push(turn);
    this.#notify('turns');
    try {
      for await (const event of this.ask({ messages: chatMessages(this.turns), signal: running.signal })) {
        addEvent(turn.answer, event);
        this.#notify('answer');
      }
      endAnswer(turn.answer, 'done');
    } catch (error) {
      if (running.signal.aborted) endAnswer(turn.answer, 'stopped');
      else endAnswer(turn.answer, 'failed', failureMembers(error));
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
    this.#notify('answer');
  }

  /** Ends the request and the agent's run. The partial answer stays. */
  stop() {
    this.#running?.abort();
  }

  /** Asks the last question again; the previous answer can be restored. */
  askAgain() {
    if (this.busy || this.turns.length === 0) return undefined;
    this.editing = true;
    return this.send(this.turns.at(-1).question);
  }

  /** Begins to edit the last question, and returns it; `undefined` while an answer is under way. */
  edit() {
    if (this.busy || this.turns.length === 0) return undefined;
    this.editing = true;
    this.#notify('turns');
    return this.turns.at(-1).question;
  }

  stopEditing() {
    this.editing = false;
    this.#notify('turns');
  }

  /** Stops the answer, and begins a new conversation. */
  clear() {
    this.#leave();
    if (this.turns.length > 0) this.undoable = { turns: this.turns, by: 'cleared' };
    this.turns = [];
    this.#notify('turns');
  }

  /** Restores what was last replaced or cleared. A running answer is stopped. */
  undo() {
    if (!this.undoable) return;
    this.#leave();
    this.turns = this.undoable.turns;
    this.undoable = undefined;
    this.#notify('turns');
  }

  /** Stops the answer and removes all turns, when the user signs out. */
  forget() {
    this.#leave();
    this.turns = [];
    this.undoable = undefined;
    this.#notify('turns');
  }

  #leave() {
    this.stop();
    this.#running = undefined;
    this.editing = false;
  }

  #notify(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** Plain members, so that a failed turn can be stored for a reload. */
function failureMembers(error) {
  if (!(error instanceof AgentFailure)) {
    console.error(error); // contains no secret: messages of the page and of the browser
    return { code: 'page_failed' };
  }
  const { code, status, userText, service, requestId, retryAt, signInAgain } = error;
  return { code, status, userText, service, requestId, retryAt, signInAgain };
}
