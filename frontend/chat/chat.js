/** The chat of this tab: sends questions and decisions to the agent, and notifies observers of changes. */

import { AgentFailure } from './agent-failure.js';
import { addEvent, chatMessages, endAnswer, newTurn, toolCalls } from './conversation.js';
import { History } from './history.js';

/**
 * Events: `turns` (a turn was added or removed, or its editing began or ended), `answer` (the last answer grew or
 * ended), and `changed` (the conversation that the agent keeps has changed: a run has begun here, or ended).
 *
 * With a thread, the agent keeps the conversation: a question is added to it, and a run goes on without this tab. Without
 * one, the conversation is this tab's: its history is sent with each question, an edited question replaces the last one,
 * and a replaced answer or a cleared conversation can be restored until the next question.
 */
export class Chat extends EventTarget {
  #running;
  #history;

  /** The agent's id of the conversation. @type {string | undefined} */
  thread;

  /** Whether the agent has not yet confirmed that it has ended the run. */
  stopping = false;

  /** Whether the last question is being edited. */
  editing = false;

  /** What `undo` restores, and which action removed it. @type {{turns: object[], by: 'replaced' | 'cleared'} | undefined} */
  undoable;

  /**
   * @param {object} agent
   * @param {(request: {thread: string | undefined, messages: object[], signal: AbortSignal}) => AsyncIterable<object>} agent.ask
   * @param {(request: {thread: string, signal: AbortSignal}) => AsyncIterable<object>} agent.follow the run that goes on
   * @param {(thread: string, approval: string, decision: object) => Promise<unknown>} agent.decide
   * @param {(thread: string) => Promise<unknown>} agent.cancel
   * @param {(thread: string) => Promise<unknown>} agent.goOn after a run that failed or was interrupted
   * @param {(thread: string, before: number) => Promise<object>} agent.messages a page of earlier messages
   */
  constructor(agent) {
    super();
    this.agent = agent;
    this.turns = [];
  }

  get busy() {
    return this.#running !== undefined;
  }

  /** The approvals that the conversation waits for, and that can still be given. */
  get approvals() {
    const approvals = this.turns.at(-1)?.answer.approvals ?? [];
    return approvals.filter(({ expires_at: end }) => !(Date.parse(end) <= Date.now()));
  }

  /** Whether the conversation has turns before those that are shown. */
  get hasEarlier() {
    return this.#history?.more ?? false;
  }

  /** The last question of a thread, if the agent refused it: it is not part of the conversation that the agent keeps. */
  get refusedQuestion() {
    const { question, answer } = this.turns.at(-1) ?? {};
    return this.thread !== undefined && answer?.status === 'failed' && !answer.accepted ? question : undefined;
  }

  /**
   * Sends a question, and resolves when the answer has ended, by success or failure. One question at a time. While the
   * agent waits for an approval, the text rejects it, as the user's words.
   */
  async send(question) {
    if (this.busy) return;
    if (this.approvals.length > 0) {
      await this.decide(this.approvals[0], { decision: 'reject', message: question });
      return;
    }
    const { thread } = this;
    const replaces = this.editing && thread === undefined;
    this.undoable = replaces ? { turns: this.turns, by: 'replaced' } : undefined;
    if (replaces) this.turns = this.turns.slice(0, -1);
    this.editing = false;
    if (this.turns.length > 0) expire(this.turns.at(-1).answer);
    const turn = newTurn(question);
    this.turns.push(turn);
    const messages = chatMessages(thread === undefined ? this.turns : [turn]);
    await this.#read(turn, (signal) => this.agent.ask({ thread, messages, signal }));
  }

  /**
   * Answers an approval, and reads what follows.
   *
   * @param {{decision: 'approve' | 'edit' | 'reject', argumentsJson?: string, message?: string}} decision
   */
  async decide({ id }, decision) {
    const { thread, agent } = this;
    if (this.busy || thread === undefined) return;
    await this.#read(this.turns.at(-1), async function* (signal) {
      await agent.decide(thread, id, decision);
      yield { type: 'decided' };
      yield* agent.follow({ thread, signal });
    });
  }

  /** Shows earlier turns of the conversation, and resolves to their number. Raises `AgentFailure`. */
  async showEarlier() {
    const history = this.#history;
    const earlier = await history.earlier();
    if (this.#history !== history || this.turns.includes(earlier[0])) return 0;
    this.turns = [...earlier, ...this.turns];
    this.#notify('turns');
    return earlier.length;
  }

  /** Ends the agent's run. The partial answer stays. */
  stop() {
    if (this.busy && this.thread !== undefined) this.#cancel(this.thread);
    this.#running?.abort();
  }

  async #cancel(thread) {
    this.stopping = true;
    await this.agent.cancel(thread).catch(() => {});
    this.stopping = false;
    this.#notify('changed');
  }

  /**
   * Asks the last question again. Without a thread, the previous answer can be restored. With one, an answer that ended
   * early is completed instead: what the agent has already done is not repeated.
   */
  askAgain() {
    if (this.busy || this.turns.length === 0) return undefined;
    const { thread, agent } = this;
    const turn = this.turns.at(-1);
    if (thread !== undefined && turn.answer.accepted && ['failed', 'stopped'].includes(turn.answer.status)) {
      return this.#read(turn, async function* (signal) {
        await agent.goOn(thread);
        yield { type: 'decided' };
        yield* agent.follow({ thread, signal });
      });
    }
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

  /** Begins a new conversation. Without a thread the answer is stopped; otherwise the run goes on. */
  clear(thread) {
    this.#leave();
    if (this.turns.length > 0 && this.thread === undefined) this.undoable = { turns: this.turns, by: 'cleared' };
    this.thread = thread;
    this.turns = [];
    this.#history = undefined;
    this.#notify('turns');
  }

  /**
   * Shows a conversation that the agent keeps, and follows the run that goes on in it. If it is shown already, its earlier
   * turns stay.
   *
   * @param {{id: string, status: string, messages: object[], next: number | null, approvals: object[], run: object | null}} kept
   */
  async open(kept) {
    const { id, status, run } = kept;
    const shown = this.thread === id ? this.turns : [];
    this.#leave();
    this.undoable = undefined;
    this.thread = id;
    const history = new History(kept, (before) => this.agent.messages(id, before));
    const turn = history.turns.at(-1);
    if (turn && (status === 'interrupted' || status === 'failed')) endAnswer(turn.answer, 'failed', { code: 'run_interrupted' });
    if (turn && status === 'paused' && !turn.answer.approvals) neverCalled(turn.answer);
    const earlier = shown.findIndex((each) => each.id === history.turns[0]?.id);
    this.turns = [...shown.slice(0, Math.max(earlier, 0)), ...history.turns];
    if (earlier <= 0) this.#history = history;
    this.#notify('turns');
    if (run && turn) await this.#read(this.turns.at(-1), (signal) => this.agent.follow({ thread: id, signal }), { here: false });
  }

  /** Shows turns that this tab or browser has stored. */
  restore(turns) {
    this.turns = turns;
    this.#notify('turns');
  }

  /** Restores what was last replaced or cleared. A running answer is stopped. */
  undo() {
    if (!this.undoable) return;
    this.stop();
    this.#leave();
    this.turns = this.undoable.turns;
    this.undoable = undefined;
    this.#notify('turns');
  }

  /** Removes all turns, when the user signs out. */
  forget() {
    this.#leave();
    this.thread = undefined;
    this.#history = undefined;
    this.turns = [];
    this.undoable = undefined;
    this.#notify('turns');
  }

  /** `here`: whether this tab has begun the run. */
  async #read(turn, events, { here = this.thread !== undefined } = {}) {
    const running = new AbortController();
    this.#running = running;
    const { answer } = turn;
    let begun = false;
    if (!answer.approvals) answer.status = 'streaming';
    this.#notify('turns');
    try {
      for await (const event of events(running.signal)) {
        if (event.type === 'decided') Object.assign(answer, { status: 'streaming', approvals: undefined, failure: undefined });
        else addEvent(answer, event);
        this.#notify('answer');
        if (here && !begun) this.#notify('changed');
        begun = true;
      }
      endAnswer(answer, 'done');
    } catch (error) {
      if (running.signal.aborted) endAnswer(answer, 'stopped');
      else if (answer.approvals) answer.failure = failureMembers(error); // the decision was refused: it is still open
      else endAnswer(answer, 'failed', failureMembers(error));
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
    this.#notify('answer');
    if (begun && this.thread !== undefined && !running.signal.aborted) this.#notify('changed');
  }

  #leave() {
    this.#running?.abort();
    this.#running = undefined;
    this.editing = false;
  }

  #notify(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** The time to approve the calls of a paused run has passed: they were not made. */
function neverCalled(answer) {
  for (const call of toolCalls(answer)) if (['waiting', 'unknown'].includes(call.outcome)) call.outcome = 'not_called';
}

/** A new question follows an answer that waited. */
function expire(answer) {
  if (answer.status !== 'waiting') return;
  Object.assign(answer, { status: 'done', approvals: undefined, failure: undefined });
  neverCalled(answer);
}

/** Plain members, so that a failed turn can be stored for a reload. */
function failureMembers(error) {
  if (!(error instanceof AgentFailure)) {
    console.error(error); // contains no secret: messages of the page and of the browser
    return { code: 'page_failed' };
  }
  const { code, status, userText, service, param, requestId, retryAt, signInAgain } = error;
  return { code, status, userText, service, param, requestId, retryAt, signInAgain };
}
