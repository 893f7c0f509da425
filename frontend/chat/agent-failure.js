/**
 * A failed question. `code` is the agent's (its error table), or one of the page's own for failures outside the agent:
 * `agent_unreachable`, `answer_interrupted`, `agent_failed`.
 */
export class AgentFailure extends Error {
  /**
   * @param {{code: string, status?: number, message?: string, service?: string, param?: string, requestId?: string, retryAt?: number,
   *   limit?: {unit: 'bytes' | 'messages' | 'conversations', most: number}, decidedAt?: number, decidedBy?: string,
   *   decidedOn?: string}} failure
   *   `message` is the agent's text for the user, kept as `userText`; `param` names the invalid member of the request;
   *   `retryAt` and `decidedAt` are in milliseconds since 1970; `limit` is what was reached; `decidedBy`
   *   is a `sub`, `decidedOn` the `User-Agent` of the user's own decision
   */
  constructor({ message, ...members }) {
    super(members.code);
    Object.assign(this, members, { name: 'AgentFailure', userText: message });
  }

  /** Whether the user should sign in again. */
  get signInAgain() {
    return this.status === 401 || SIGN_IN_AGAIN.includes(this.code);
  }
}

const SIGN_IN_AGAIN = ['access_token_invalid', 'access_token_missing', 'access_revoked', 'sign_in_required', 'user_token_refused'];
const LONGEST_WAIT_SECONDS = 3600;

// The codes of statuses without a code in the body, such as those of a gateway in front of the agent.
const BY_STATUS = {
  401: 'access_token_invalid', 403: 'insufficient_scope', 413: 'request_too_large', 429: 'rate_limited',
};

/**
 * The failure in an error body of OpenAI's form with the agent's members; any other body counts as empty. Missing members
 * are taken from the headers `X-Request-Id` and `Retry-After`. A wait of more than an hour is shortened to one hour.
 *
 * @param {{status?: number, headers?: Headers, now?: number}} answer the response with this body; omit it for an event in a stream
 */
export function failureFromBody(body, { status, headers, now = Date.now() } = {}) {
  const error = typeof body?.error === 'object' && body.error !== null ? body.error : {};
  const text = (member) => (typeof error[member] === 'string' && error[member] ? error[member] : undefined);
  const seconds = Number.isFinite(error.retry_after) ? error.retry_after : waitSeconds(headers?.get('retry-after'), now);
  return new AgentFailure({
    code: text('code') ?? BY_STATUS[status] ?? 'agent_failed',
    status,
    message: text('message'),
    service: text('service'),
    param: text('param'),
    requestId: text('request_id') ?? headers?.get('x-request-id') ?? undefined,
    decidedAt: Number.isFinite(error.decided_at) ? error.decided_at * 1000 : undefined,
    decidedBy: text('decided_by'),
    decidedOn: text('decided_on'),
    limit: Number.isFinite(error.limit?.most) ? error.limit : undefined,
    retryAt: seconds > 0 ? now + Math.min(seconds, LONGEST_WAIT_SECONDS) * 1000 : undefined,
  });
}

/** `Retry-After`: seconds or a date (RFC 9110, section 10.2.3). */
function waitSeconds(value, now) {
  if (!value) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  return / GMT$/.test(value) ? (Date.parse(value) - now) / 1000 : undefined;
}
