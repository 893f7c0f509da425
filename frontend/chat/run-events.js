/**
 * The events of one run in AG-UI's form, as those of an answer (`addEvent` in conversation.js):
 *
 * - `{type: 'text' | 'reasoning', id, text}`, after `{type: 'begins', id}`, which replaces what is known of that message
 * - `{type: 'tool_started' | 'tool_finished', tool, service, access_identity, call_id, …}`
 * - `{type: 'tool_progress', tool, call_id, progress, message}`: how far a call is, from 0 to 1; `null`: not known
 * - `{type: 'consent_required', call_id, url}`: the call fails until the user has allowed the access at `url`
 * - `{type: 'services_unavailable', services}`: the names of services without which the run goes on
 * - `{type: 'notice', code, text, values}`: what the user should know beside the answer, in English
 * - `{type: 'approvals', approvals}`: the run has ended, and waits for the user
 * - `{type: 'messages', messages}`: the conversation so far
 * - `{type: 'cut_off', reason}`: the answer ends before its end, by `length` or `content_filter`
 *
 * Unknown events are ignored.
 */

import { AgentFailure } from './agent-failure.js';

/** The member of `metadata` with what AG-UI has no member for. */
const OWN = 'idaas-agent';

export class RunEvents {
  #calls = new Map();

  /** Whether the last event of the run has been read. */
  ended = false;

  /**
   * @param {object} event one of AG-UI's
   * @throws {AgentFailure} if the run failed
   */
  * read(event) {
    switch (event.type) {
      case 'TEXT_MESSAGE_START':
      case 'REASONING_MESSAGE_START': yield { type: 'begins', id: event.messageId }; break;
      case 'TEXT_MESSAGE_CONTENT': yield { type: 'text', id: event.messageId, text: String(event.delta) }; break;
      case 'REASONING_MESSAGE_CONTENT': yield { type: 'reasoning', id: event.messageId, text: String(event.delta) }; break;
      case 'MESSAGES_SNAPSHOT': yield { type: 'messages', messages: event.messages }; break;
      case 'TOOL_CALL_START': this.#calls.set(event.toolCallId, { ...about(event), tool: event.toolCallName, text: '' }); break;
      case 'TOOL_CALL_ARGS': this.#argument(event); break;
      case 'TOOL_CALL_END': yield* this.#started(event.toolCallId); break;
      case 'TOOL_CALL_RESULT':
        yield { ...this.#call(event.toolCallId), ...about(event), type: 'tool_finished', call_id: event.toolCallId, result: text(event.content) };
        break;
      case 'CUSTOM':
        if (event.name === `${OWN}:consent_required`) yield { type: 'consent_required', call_id: event.value.call_id, url: event.value.url };
        if (event.name === `${OWN}:services_unavailable`) yield { type: 'services_unavailable', services: Object.keys(event.value.services) };
        if (event.name === `${OWN}:notice`) yield { ...event.value, type: 'notice' };
        if (event.name === `${OWN}:tool_progress`) yield { ...event.value, type: 'tool_progress' };
        break;
      case 'RUN_FINISHED': yield* this.#finished(event); break;
      case 'RUN_ERROR': this.#failed(event); break;
      default:
    }
  }

  #argument({ toolCallId, delta }) {
    const call = this.#calls.get(toolCallId);
    if (call) call.text += delta;
  }

  * #started(id) {
    if (this.#calls.has(id)) yield { ...this.#call(id), type: 'tool_started', call_id: id };
  }

  #call(id) {
    const { text: json, ...members } = this.#calls.get(id) ?? {};
    return json === undefined ? {} : { ...members, argumentsJson: json };
  }

  * #finished(event) {
    const { outcome } = event;
    this.ended = true;
    const reason = cutOff(event);
    if (reason) yield { type: 'cut_off', reason };
    if (outcome?.type === 'interrupt') {
      yield { type: 'approvals', approvals: outcome.interrupts.map(about).filter(({ id }) => id !== undefined) };
    }
  }

  #failed(event) {
    this.ended = true;
    const { request_id: requestId, service, retry_after: wait } = about(event);
    throw new AgentFailure({
      code: event.code ?? 'agent_failed',
      message: event.message,
      service,
      requestId,
      retryAt: wait > 0 ? Date.now() + wait * 1000 : undefined,
    });
  }
}

/** The agent's own members of an event, an interrupt or a message. */
export function about({ metadata }) {
  const members = metadata?.[OWN];
  return typeof members === 'object' && members !== null ? members : {};
}

/** Why a run or a message ends before its end; `undefined` if it is whole. */
export function cutOff(event) {
  const reason = about(event).finish_reason;
  return ['length', 'content_filter'].includes(reason) ? reason : undefined;
}

function text(content) {
  return typeof content === 'string' ? content : JSON.stringify(content);
}
