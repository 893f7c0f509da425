/** The chat of this tab: asks the agent, and tells its observers what has changed. */

import { AgentFailure } from './agent-failure.js';
import { addEvent, chatMessages, endAnswer, newTurn } from './conversation.js';

/**
 * Events: `turns` (a turn came or went) and `answer` (the last answer grew or ended).
 */
export class Chat extends EventTarget {
  #running;

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

  /** Takes the last question back, and returns it. */
  takeBack() {
    if (this.busy) return undefined;
    const turn = this.turns.pop();
    this.#tell('turns');
    return turn?.question;
  }

  /** Stops, and forgets everything. */
  clear() {
    this.stop();
    this.#running = undefined;
    this.turns = [];
    this.#tell('turns');
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** Plain members, so that a failed turn can be kept over a reload. */
function failureMembers(error) {
  const failure = error instanceof AgentFailure ? error : new AgentFailure({ code: 'page_failed', symptom: String(error) });
  const { code, status, symptom, cause, remedy, signInAgain } = failure;
  return { code, status, symptom, cause, remedy, signInAgain };
}
