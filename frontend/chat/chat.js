/** The chat of this tab: sends questions and decisions to the agent, and notifies observers of changes. */

import { AgentFailure } from './agent-failure.js';
import { addEvent, chatMessages, endAnswer, newTurn, toolCalls } from './conversation.js';
import { History } from './history.js';

/** The outcomes of calls that may have had an effect. */
const MADE = ['ok', 'failed', 'unknown'];
/** Refusals of a version of a question that the agent did not take. */
const NOT_STORED = ['question_replaced', 'thread_not_found'];
/** Statuses of refusals before a question is stored. */
const NOT_TAKEN = [400, 401, 403, 404, 409, 413, 422, 429];
/** Statuses of a conversation whose last answer can be continued. */
const ENDED_EARLY = ['failed', 'interrupted'];
/** Refusals to complete an answer that was completed, or is being completed, elsewhere. */
const NOT_AS_SHOWN = ['nothing_to_continue', 'thread_busy', 'approval_open'];
/** The agent's limit for the reason of a decision. */
const LONGEST_REASON = 1000;

/**
 * Events: `turns` (a turn was added or removed, or its editing began or ended), `answer` (the last answer grew or
 * ended), `changed` (the conversation that the agent keeps has changed: a run has begun here, or ended), `given_back` (with a
 * `question` and `files` that were not sent), and `taken` (with a question that was given back, and is stored nevertheless).
 *
 * With a thread, the agent keeps the conversation: a question is added to it, or replaces another one, whose version can
 * be shown again, and a run goes on without this tab. Without one, the conversation is this tab's: its history is sent with
 * each question, and a replaced answer or a cleared conversation can be restored until the next question.
 */
export class Chat extends EventTarget {
  #running;
  #history;

  /** The agent's id of the conversation. @type {string | undefined} */
  thread;

  /** Whether the agent has not yet confirmed that it has ended the run. */
  stopping = false;

  /** The turn whose question is being edited. @type {import('./conversation.js').Turn | undefined} */
  editing;

  /** What is sent when the user has decided about what the agent waits for. @type {string | undefined} */
  queued;

  /** The services that may have changed something for the version that was replaced last: nothing of it is undone. @type {string[]} */
  notUndone = [];

  /** When, and on which device, an approval that could not be decided here was. @type {{at: number, on?: string} | undefined} */
  decidedElsewhere;

  /** Whether the conversation that was to be shown is gone, or is another person's. */
  gone = false;

  /**
   * Why the last question was not taken by an agent that keeps the conversation. Sent again in the same words, it has the
   * same id: the agent may have stored it. @type {{failure: object, id?: string, question?: string, files?: object[]} | undefined}
   */
  refusal;

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
   * @param {(thread: string, message: string, content?: string) => Promise<unknown>} agent.replace a question
   * @param {(thread: string, version: number) => Promise<unknown>} agent.showVersion
   * @param {(service: string, tool: string) => boolean} [agent.reads] whether calls of a tool are known to change nothing
   * @param {(thread: string) => Promise<object>} agent.read the conversation, as `open` takes it
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

  /**
   * Sends a question, and resolves when the answer has ended, by success or failure. One question at a time: while another
   * one is being answered, it is given back. While the agent waits for an approval, the text decides nothing: it is sent
   * after it.
   */
  async send(question, files = []) {
    if (this.busy) {
      this.#refuse({ failure: { code: 'thread_busy' }, question, files });
      return;
    }
    if (this.approvals.length > 0) {
      this.#queue(question);
      return;
    }
    const { thread } = this;
    const id = this.#idAgain(question, files);
    this.notUndone = [];
    this.decidedElsewhere = undefined;
    const replaced = this.turns.findIndex(({ id }) => id === this.editing?.id);
    if (replaced >= 0 && thread !== undefined) {
      await this.#replace(replaced, question);
      return;
    }
    this.undoable = replaced >= 0 ? { turns: this.turns, by: 'replaced' } : undefined;
    if (replaced >= 0) this.turns = this.turns.slice(0, replaced);
    this.editing = undefined;
    if (this.turns.at(-1)?.answer.status === 'waiting') expire(this.turns.at(-1).answer);
    await this.#ask({ id, question, files }, this.turns);
  }

  #ask({ id, question, files }, before) {
    const { thread, agent } = this;
    const turn = { ...newTurn(question, id), files };
    this.refusal = undefined;
    this.gone = false;
    this.turns = [...before, turn];
    const messages = chatMessages(thread === undefined ? this.turns : [turn]);
    return this.#read(turn, (signal) => agent.ask({ thread, messages, signal }), { before });
  }

  /** Gives words back that were not sent. */
  giveBack(question, files = []) {
    this.dispatchEvent(new CustomEvent('given_back', { detail: { question, files } }));
  }

  #idAgain(question, files) {
    const { refusal } = this;
    const same = refusal?.question === question && refusal.files.length === files.length && files.every((file, index) => file === refusal.files[index]);
    return same ? refusal.id : undefined;
  }

  #refuse(refusal) {
    this.refusal = refusal;
    if (refusal.question !== undefined) this.giveBack(refusal.question, refusal.files);
    this.#notify('turns');
  }

  /**
   * Answers an approval, and reads what follows.
   *
   * @param {{decision: 'approve' | 'edit' | 'reject' | 'cancel', argumentsJson?: string, lastingJson?: string, message?: string}} decision
   */
  async decide({ id, call_id: call, approvers }, decision) {
    const { thread, agent } = this;
    if (this.busy || thread === undefined) return;
    const begins = ['approve', 'edit'].includes(decision.decision) && !approvers;
    await this.#read(this.turns.at(-1), async function* (signal) {
      await agent.decide(thread, id, decision);
      yield { type: 'decided', call: begins ? call : undefined };
      yield* agent.follow({ thread, signal });
    });
  }

  /** How to decline what the agent waits for in these words. What is too long for a reason is sent afterwards. */
  rejection(words) {
    if (words.length <= LONGEST_REASON) return { decision: 'reject', message: words };
    this.#queue(words);
    return { decision: 'reject' };
  }

  /** An approval was decided elsewhere, at this time, with this `User-Agent`. */
  remark(at, on) {
    this.decidedElsewhere = { at, on };
    this.#notify('turns');
  }

  #queue(words) {
    this.queued = [this.queued, words].filter(Boolean).join('\n');
    this.#notify('turns');
  }

  /** Takes back what was to be sent after the decision, and returns it. */
  unqueue() {
    const { queued } = this;
    this.queued = undefined;
    this.#notify('turns');
    return queued;
  }

  /** The services that may have changed something since a turn: what replaces it undoes nothing of that. */
  calledSince(turn) {
    const turns = this.turns.slice(this.turns.findIndex(({ id }) => id === turn.id));
    const calls = turns.flatMap(({ answer }) => toolCalls(answer));
    const made = calls.filter(({ outcome, service, tool }) => MADE.includes(outcome) && !this.agent.reads?.(service, tool));
    return [...new Set(made.map(({ service }) => service))];
  }

  /** Asks the question at `index` anew, in place of all that follows; without `content`, in the same words. */
  async #replace(index, content) {
    const { thread, agent } = this;
    const replaced = this.turns.at(index);
    const turn = { ...newTurn(content ?? replaced.question), files: replaced.files, replaces: replaced.replaces ?? replaced.id };
    this.editing = undefined;
    this.refusal = undefined;
    this.notUndone = this.calledSince(replaced);
    const before = this.turns;
    this.turns = [...before.slice(0, index), turn];
    const made = this.notUndone;
    let kept;
    await this.#read(turn, async function* (signal) {
      try {
        await agent.replace(thread, turn.replaces, content);
        yield { type: 'accepted' };
        kept = await agent.read(thread);
      } catch (error) {
        if (replaced.answer.accepted || !NOT_STORED.includes(error.code)) throw error;
        delete turn.replaces;
        yield* agent.ask({ thread, messages: chatMessages([turn]), signal });
      }
    }, { here: false, before, edited: content === undefined ? undefined : replaced });
    if (!kept || this.thread !== thread) return;
    const opened = this.open(kept);
    this.notUndone = made;
    this.#notify('changed');
    await opened;
  }

  /** Shows another version of the last question. Raises `AgentFailure`. */
  async showVersion(version) {
    const { thread, agent } = this;
    await agent.showVersion(thread, version);
    const kept = await agent.read(thread);
    if (this.thread === thread) await this.open(kept);
    this.#notify('changed');
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

  /** Whether the last answer ended early, and can be completed: what the agent has already done is not repeated. */
  get canContinue() {
    const { accepted, status } = this.turns.at(-1)?.answer ?? {};
    return this.thread !== undefined && accepted === true && status === 'failed';
  }

  /** Completes the last answer, or shows it as the agent has stored it, if it does not wait for that any more. */
  async goOn() {
    const { thread, agent } = this;
    if (this.busy || !this.canContinue) return;
    let kept;
    await this.#read(this.turns.at(-1), async function* (signal) {
      try {
        await agent.goOn(thread);
      } catch (error) {
        if (!NOT_AS_SHOWN.includes(error.code)) throw error;
        kept = await agent.read(thread);
        return;
      }
      yield { type: 'decided' };
      yield* agent.follow({ thread, signal });
    });
    if (kept && this.thread === thread) await this.open(kept);
  }

  /** Asks the last question again. The previous answer can be shown again, or restored. */
  askAgain() {
    if (this.busy || this.turns.length === 0) return undefined;
    const { thread } = this;
    const { id, question, files, replaces, answer } = this.turns.at(-1);
    if (thread === undefined) {
      this.editing = this.turns.at(-1);
      return this.send(question);
    }
    if (answer.accepted || replaces !== undefined) return this.#replace(-1, replaces === undefined ? undefined : question);
    // The agent may have stored it or not: under the same id it is asked once.
    return this.#ask({ id, question, files }, this.turns.slice(0, -1));
  }

  /** Begins to edit a question, and returns it; `undefined` while an answer is under way. */
  edit(turn) {
    if (this.busy) return undefined;
    this.editing = turn;
    this.#notify('turns');
    return turn.question;
  }

  stopEditing() {
    this.editing = undefined;
    this.#notify('turns');
  }

  /**
   * Begins a new conversation. Without a thread the answer is stopped; otherwise the run goes on. `gone`: in place of one that
   * does not exist any more.
   */
  clear(thread, { gone = false } = {}) {
    this.#leave();
    if (this.turns.length > 0 && this.thread === undefined) this.undoable = { turns: this.turns, by: 'cleared' };
    this.thread = thread;
    this.turns = [];
    this.refusal = undefined;
    this.gone = gone;
    this.notUndone = [];
    this.decidedElsewhere = undefined;
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
    if (this.thread !== id) this.refusal = undefined;
    this.undoable = undefined;
    this.notUndone = [];
    this.decidedElsewhere = undefined;
    this.gone = false;
    this.thread = id;
    const history = new History(kept, (before) => this.agent.messages(id, before));
    const turn = history.turns.at(-1);
    if (turn && ENDED_EARLY.includes(status)) endAnswer(turn.answer, 'failed', { code: 'run_interrupted' });
    if (turn && status === 'paused' && !turn.answer.approvals) expire(turn.answer);
    const earlier = shown.findIndex((each) => each.id === history.turns[0]?.id);
    this.turns = [...shown.slice(0, Math.max(earlier, 0)), ...history.turns];
    if (earlier <= 0) this.#history = history;
    if (run && turn && !turn.answer.approvals) turn.answer.status = 'streaming';
    const { refusal } = this;
    if (refusal?.id !== undefined && history.turns.some((each) => each.id === refusal.id)) {
      this.refusal = undefined;
      this.dispatchEvent(new CustomEvent('taken', { detail: refusal.question }));
    }
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
    this.refusal = undefined;
    this.undoable = undefined;
    this.#notify('turns');
  }

  /**
   * `here`: whether this tab has begun the run. `before`: the turns that are shown again if the agent does not take the
   * question, which is given back. `edited`: the turn whose editing goes on then; `undefined`: it had no new words.
   */
  async #read(turn, events, { here = this.thread !== undefined, before, edited } = {}) {
    const running = new AbortController();
    this.#running = running;
    const { answer } = turn;
    let begun = false;
    if (!answer.approvals) answer.status = 'streaming';
    this.#notify('turns');
    try {
      for await (const event of events(running.signal)) {
        if (event.type === 'decided') goesOn(answer, event.call);
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
    if (before !== undefined && this.#isRefused(turn)) await this.#settleRefused(turn, before, edited);
    if (begun && this.thread !== undefined && !running.signal.aborted) this.#notify('changed');
    if (this.queued !== undefined && this.turns.at(-1) === turn && answer.status !== 'waiting') await this.send(this.unqueue());
  }

  #isRefused({ id, answer }) {
    return this.thread !== undefined && answer.status === 'failed' && !answer.accepted && this.turns.at(-1)?.id === id;
  }

  /** A question whose answer did not begin is given back, unless the agent has stored it: then it is shown as it is stored. */
  async #settleRefused(turn, before, edited) {
    const { thread } = this;
    const kept = await this.#keptWith(turn);
    if (this.thread !== thread || this.busy) return;
    const isLast = this.turns.at(-1) === turn;
    if (!kept) {
      this.#takeBack(turn, isLast ? before : this.turns, edited);
    } else if (isLast && ENDED_EARLY.includes(kept.status)) {
      turn.answer.accepted = true; // with the reason, which is not stored
      this.#notify('turns');
    } else if (isLast) {
      await this.open(kept);
    }
  }

  /** The conversation, if the agent has stored this question in it. */
  async #keptWith({ id, replaces, answer: { failure } }) {
    if (replaces !== undefined || NOT_TAKEN.includes(failure.status)) return undefined;
    const kept = await this.agent.read(this.thread).catch(() => undefined);
    return kept?.messages.some((message) => message.id === id) ? kept : undefined;
  }

  #takeBack({ id, question, files, answer: { failure }, replaces }, before, edited) {
    this.turns = before;
    this.editing = edited;
    this.notUndone = [];
    if (replaces === undefined) this.#refuse({ failure, id, question, files });
    else this.#refuse({ failure, question: edited && question, files: [] });
    this.#notify('changed'); // perhaps because of what runs in another tab
  }

  #leave() {
    this.#running?.abort();
    this.#running = undefined;
    this.editing = undefined;
    if (this.queued !== undefined) this.giveBack(this.queued);
    this.queued = undefined;
  }

  #notify(type) {
    this.dispatchEvent(new Event(type));
  }
}

/** An answer goes on after a decision. `approved` is the id of the call that begins. */
function goesOn(answer, approved) {
  Object.assign(answer, { status: 'streaming', approvals: undefined, failure: undefined });
  for (const call of toolCalls(answer)) if (call.outcome === 'waiting' && call.callId === approved) call.outcome = 'running';
}

/** The time to approve the calls of a paused run has passed: they were not made. */
function expire(answer) {
  Object.assign(answer, { status: 'done', approvals: undefined, failure: undefined });
  for (const call of toolCalls(answer)) {
    if (['waiting', 'unknown'].includes(call.outcome)) Object.assign(call, call.question ? { outcome: 'unknown' } : { outcome: 'not_called', expired: true });
  }
}

/** Plain members, so that a failed turn can be stored for a reload. */
function failureMembers(error) {
  if (!(error instanceof AgentFailure)) {
    console.error(error); // contains no secret: messages of the page and of the browser
    return { code: 'page_failed' };
  }
  return { ...error, signInAgain: error.signInAgain };
}
