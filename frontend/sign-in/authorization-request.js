/** The request to the authorization endpoint (RFC 6749, sections 4.1.1 and 4.2.1; RFC 7636). */

/** 256 random bits, base64url. */
export function randomValue(crypto = globalThis.crypto) {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** The S256 code challenge of a verifier (RFC 7636, section 4.2). Needs a secure context. */
export async function codeChallenge(verifier, crypto = globalThis.crypto) {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
}

/**
 * A new request: its URL, and what to store until the response.
 *
 * With `openid` in the scope, an ID token is requested, and `nonce` is sent, which the ID token must contain. With the
 * tutorial's five keys only, there is no ID token and no `nonce`; `state` is the only check.
 *
 * @param {object} configuration
 * @param {{prompt?: 'none', crypto?: Crypto}} options `prompt`: see OpenID Connect Core, section 3.1.2.1
 */
export async function authorizationRequest(configuration, { prompt, crypto = globalThis.crypto } = {}) {
  const pending = { state: randomValue(crypto), redirectUri: configuration.redirectUri };
  const url = new URL(configuration.authorizeEndpoint);
  url.searchParams.set('client_id', configuration.clientId);
  const openid = asksForIdToken(configuration);
  url.searchParams.set('response_type', openid && configuration.responseType === 'token' ? 'id_token token' : configuration.responseType);
  url.searchParams.set('scope', configuration.scope);
  url.searchParams.set('redirect_uri', configuration.redirectUri);
  url.searchParams.set('state', pending.state);
  if (prompt) url.searchParams.set('prompt', prompt);
  if (openid) {
    pending.nonce = randomValue(crypto);
    url.searchParams.set('nonce', pending.nonce);
  }
  if (configuration.responseType === 'code') {
    pending.codeVerifier = randomValue(crypto);
    url.searchParams.set('code_challenge', await codeChallenge(pending.codeVerifier, crypto));
    url.searchParams.set('code_challenge_method', 'S256');
  }
  return { url: url.href, pending };
}

/** Whether the scope requests an ID token (OpenID Connect Core, section 3.1.2.1). */
export function asksForIdToken({ scope }) {
  return scope.split(' ').includes('openid');
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
