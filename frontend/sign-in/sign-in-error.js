/** Why a sign-in failed. `code` is a key of the `sign_in_error` messages, each with a remedy. */
export class SignInError extends Error {
  /**
   * @param {string} code
   * @param {string} [detail] the authorization server's description; untrusted plain text
   */
  constructor(code, detail) {
    super(detail ? `${code}: ${detail}` : code);
    this.name = 'SignInError';
    this.code = code;
    this.detail = detail;
  }
}
