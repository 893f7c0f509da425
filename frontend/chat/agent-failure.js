/**
 * A question that could not be answered. `code` is the agent's (its error table), or one of the page's own for what
 * happens before the agent can speak: `agent_unreachable`, `answer_interrupted`, `agent_failed`.
 */
export class AgentFailure extends Error {
  /** @param {{code: string, status?: number, symptom?: string, cause?: string, remedy?: string}} failure */
  constructor({ code, status, symptom, cause, remedy }) {
    super(code);
    this.name = 'AgentFailure';
    Object.assign(this, { code, status, symptom, cause, remedy });
  }

  /** Whether signing in again is the way on. */
  get signInAgain() {
    return this.status === 401 || this.code === 'access_token_invalid' || this.code === 'access_token_missing';
  }
}

// What a status means when the body does not say, such as from a gateway in front of the agent.
const BY_STATUS = {
  401: 'access_token_invalid', 403: 'insufficient_scope', 413: 'request_too_large', 429: 'rate_limited',
};

/** The failure in an error body of the OpenAI shape with the agent's members; any other body counts as empty. */
export function failureFromBody(body, status) {
  const error = typeof body?.error === 'object' && body.error !== null ? body.error : {};
  const text = (member) => (typeof error[member] === 'string' && error[member] ? error[member] : undefined);
  return new AgentFailure({
    code: text('code') ?? BY_STATUS[status] ?? 'agent_failed',
    status,
    symptom: text('symptom') ?? text('message'),
    cause: text('cause'),
    remedy: text('remedy'),
  });
}
