import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizationRequest, codeChallenge } from '../sign-in/authorization-request.js';
import { takeAuthorizationResponse } from '../sign-in/authorization-response.js';
import { PendingSignIn } from '../sign-in/pending-sign-in.js';
import { newSession, SessionStore, unverifiedClaims } from '../sign-in/session.js';
import { SignInError } from '../sign-in/sign-in-error.js';
import { completeSignIn, logoutUrl } from '../sign-in/sign-in.js';
import { MemoryStorage } from './memory-storage.js';

const IMPLICIT = {
  authorizeEndpoint: 'https://idaas.example.com/authorize', logoutEndpoint: 'https://idaas.example.com/logout',
  clientId: 'app_client01', scope: 'https://agent.example.com|agent.access', responseType: 'token',
  redirectUri: 'http://localhost:9001/',
};
const CODE = {
  ...IMPLICIT, responseType: 'code', issuer: 'https://idaas.example.com/oauth2', tokenEndpoint: 'https://idaas.example.com/oauth2/token',
};
const ALICE = jwt({ sub: 'user_alice01', exp: 2_000_000_000 });

function jwt(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

/** A tab with a pending sign-in with this state. */
function pendingWith(pending) {
  const pendingSignIn = new PendingSignIn(new MemoryStorage());
  pendingSignIn.remember({ redirectUri: IMPLICIT.redirectUri, ...pending });
  return pendingSignIn;
}

function answer(parameters, inFragment = true) {
  return { parameters: new URLSearchParams(parameters), inFragment };
}

function refusedWith(code) {
  return (error) => error instanceof SignInError && error.code === code;
}

test('each request has its own state of 256 bits, and stores it', async () => {
  const first = await authorizationRequest(IMPLICIT);
  const second = await authorizationRequest(IMPLICIT);
  const state = new URL(first.url).searchParams.get('state');
  assert.equal(state, first.pending.state);
  assert.match(state, /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(state, second.pending.state);
});

test('the implicit request has exactly the parameters of the tutorial, and state', async () => {
  const { searchParams } = new URL((await authorizationRequest(IMPLICIT)).url);
  assert.deepEqual([...searchParams.keys()], ['client_id', 'response_type', 'scope', 'redirect_uri', 'state']);
  assert.equal(searchParams.get('scope'), IMPLICIT.scope);
});

test('the code request has the S256 challenge of the stored verifier', async () => {
  const { url, pending } = await authorizationRequest(CODE);
  const { searchParams } = new URL(url);
  assert.equal(searchParams.get('code_challenge_method'), 'S256');
  assert.equal(searchParams.get('code_challenge'), await codeChallenge(pending.codeVerifier));
});

test('the challenge is that of RFC 7636, appendix B', async () => {
  assert.equal(await codeChallenge('dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM');
});

test('a nonce is sent if an ID token is requested', async () => {
  const { url, pending } = await authorizationRequest({ ...CODE, scope: `openid ${CODE.scope}` });
  assert.equal(new URL(url).searchParams.get('nonce'), pending.nonce);
});

test('a response is removed from the address and the history', () => {
  const replaced = [];
  const history = { replaceState: (_state, _title, url) => replaced.push(url) };
  const found = takeAuthorizationResponse({ pathname: '/', search: '', hash: '#access_token=t&state=s' }, history);
  assert.deepEqual(replaced, ['/']);
  assert.equal(found.parameters.get('access_token'), 't');
  assert.equal(found.inFragment, true);
});

test('an address without a response is unchanged', () => {
  const history = { replaceState: () => assert.fail('replaced') };
  assert.equal(takeAuthorizationResponse({ pathname: '/', search: '?lang=zh', hash: '#top' }, history), undefined);
});

test('a token with the state of this tab signs in', async () => {
  const response = answer({ access_token: ALICE, token_type: 'bearer', expires_in: '1200', state: 's1' });
  const session = await completeSignIn(response, IMPLICIT, pendingWith({ state: 's1' }));
  assert.equal(session.subject, 'user_alice01');
  assert.equal(session.accessToken, ALICE);
});

for (const [name, parameters] of [
  ['another state', { access_token: ALICE, state: 'forged' }],
  ['no state', { access_token: ALICE }],
  ['an empty state', { access_token: ALICE, state: '' }],
]) {
  test(`a token with ${name} is refused`, async () => {
    await assert.rejects(completeSignIn(answer(parameters), IMPLICIT, pendingWith({ state: 's1' })), refusedWith('state_mismatch'));
  });
}

test('a token without a pending sign-in of this tab is refused', async () => {
  const unasked = new PendingSignIn(new MemoryStorage());
  await assert.rejects(completeSignIn(answer({ access_token: ALICE }), IMPLICIT, unasked), refusedWith('state_mismatch'));
});

test('a replayed response is refused', async () => {
  const pendingSignIn = pendingWith({ state: 's1' });
  const response = answer({ access_token: ALICE, state: 's1' });
  await completeSignIn(response, IMPLICIT, pendingSignIn);
  await assert.rejects(completeSignIn(response, IMPLICIT, pendingSignIn), refusedWith('state_mismatch'));
});

test('a sign-in expires ten minutes after its beginning', () => {
  let now = 0;
  const pendingSignIn = new PendingSignIn(new MemoryStorage(), () => now);
  pendingSignIn.remember({ state: 's1' });
  now = 10 * 60 * 1000;
  assert.equal(pendingSignIn.take(), undefined);
});

for (const [name, response] of [
  ['in the query instead of the fragment', answer({ access_token: ALICE, state: 's1' }, false)],
  ['of another type', answer({ access_token: ALICE, token_type: 'mac', state: 's1' })],
  ['given twice', answer(`access_token=${ALICE}&access_token=other&state=s1`)],
  ['that is empty', answer({ access_token: '', state: 's1' })],
  ['replaced by a code', answer({ code: 'c', state: 's1' }, false)],
]) {
  test(`a token ${name} is refused`, async () => {
    await assert.rejects(completeSignIn(response, IMPLICIT, pendingWith({ state: 's1' })), refusedWith('response_malformed'));
  });
}

test('an error of the authorization server keeps its code and description', async () => {
  const response = answer({ error: 'access_denied', error_description: 'not granted', state: 's1' });
  await assert.rejects(completeSignIn(response, IMPLICIT, pendingWith({ state: 's1' })),
    (error) => error.code === 'access_denied' && error.detail === 'not granted');
});

test('an error with a forged state is refused as forged, and its description is not shown', async () => {
  const response = answer({ error: 'access_denied', error_description: 'call this number', state: 'x' });
  await assert.rejects(completeSignIn(response, IMPLICIT, pendingWith({ state: 's1' })),
    (error) => error.code === 'state_mismatch' && error.detail === undefined);
});

test('a response of another issuer is refused before its code is used', async () => {
  const response = answer({ code: 'c', state: 's1', iss: 'https://evil.example.com' }, false);
  const fetch = () => assert.fail('redeemed');
  await assert.rejects(completeSignIn(response, CODE, pendingWith({ state: 's1', codeVerifier: 'v' }), fetch), refusedWith('issuer_mismatch'));
});

test('a code is sent with the verifier and the redirect URI of its request, without a secret', async () => {
  const requests = [];
  const fetch = async (url, { body }) => {
    requests.push([String(url), Object.fromEntries(new URLSearchParams(String(body)))]);
    return Response.json({ access_token: ALICE, token_type: 'Bearer', expires_in: 1200 });
  };
  const pending = pendingWith({ state: 's1', codeVerifier: 'verifier' });
  const session = await completeSignIn(answer({ code: 'c1', state: 's1', iss: CODE.issuer }, false), CODE, pending, fetch);
  assert.equal(session.subject, 'user_alice01');
  assert.deepEqual(requests, [[CODE.tokenEndpoint, {
    client_id: 'app_client01', code: 'c1', code_verifier: 'verifier', grant_type: 'authorization_code', redirect_uri: CODE.redirectUri,
  }]]);
});

test('a refused code and an unreachable token endpoint have different codes', async () => {
  const redeem = (fetch) => completeSignIn(
    answer({ code: 'c1', state: 's1', iss: CODE.issuer }, false), CODE, pendingWith({ state: 's1', codeVerifier: 'v' }), fetch);
  await assert.rejects(redeem(async () => Response.json({ error: 'invalid_grant' }, { status: 400 })), refusedWith('code_refused'));
  await assert.rejects(redeem(async () => { throw new TypeError('Failed to fetch'); }), refusedWith('token_endpoint_unreachable'));
});

const OPENID = { scope: `openid ${IMPLICIT.scope}` };
const ISSUER = CODE.issuer;
const identity = (claims = {}) => jwt({
  iss: ISSUER, sub: 'user_alice01', aud: 'app_client01', nonce: 'n1', iat: Date.now() / 1000 - 5, exp: Date.now() / 1000 + 300, name: 'Alice', ...claims,
});

/** Signs in with this ID token, by either grant. */
const SIGN_IN_WITH = {
  implicit: (idToken) => completeSignIn(
    answer({ access_token: ALICE, state: 's1', ...(idToken && { id_token: idToken }) }),
    { ...IMPLICIT, ...OPENID, issuer: ISSUER }, pendingWith({ state: 's1', nonce: 'n1' })),
  code: (idToken) => completeSignIn(
    answer({ code: 'c1', state: 's1', iss: ISSUER }, false), { ...CODE, ...OPENID }, pendingWith({ state: 's1', nonce: 'n1', codeVerifier: 'v' }),
    async () => Response.json({ access_token: ALICE, token_type: 'Bearer', expires_in: 1200, ...(idToken && { id_token: idToken }) })),
};

test('the implicit request with openid in its scope requests both tokens and sends a nonce', async () => {
  const { url, pending } = await authorizationRequest({ ...IMPLICIT, ...OPENID });
  const { searchParams } = new URL(url);
  assert.equal(searchParams.get('response_type'), 'id_token token');
  assert.equal(searchParams.get('nonce'), pending.nonce);
});

for (const [grant, signInWith] of Object.entries(SIGN_IN_WITH)) {
  test(`the ID token of the ${grant} grant provides the user's name`, async () => {
    const session = await signInWith(identity());
    assert.deepEqual([session.name, session.person], ['Alice', JSON.stringify([ISSUER, 'user_alice01'])]);
  });

  for (const [name, claims] of [
    ['another nonce', { nonce: 'n2' }],
    ['another issuer', { iss: 'https://evil.example.com' }],
    ['another client as audience', { aud: 'app_other' }],
    ['further audiences and no azp', { aud: ['app_client01', 'app_other'] }],
    ['an end in the past', { exp: Date.now() / 1000 - 60 }],
    ['another person than the access token', { sub: 'user_bob01' }],
  ]) {
    test(`an ID token of the ${grant} grant with ${name} is refused`, async () => {
      await assert.rejects(signInWith(identity(claims)), refusedWith('id_token_invalid'));
    });
  }

  test(`a response of the ${grant} grant without the requested ID token or its nonce is refused`, async () => {
    for (const idToken of [undefined, identity({ nonce: undefined }), 'opaque']) await assert.rejects(signInWith(idToken), SignInError);
  });
}

test('users are distinguished by issuer and subject, and an unknown user has no key', () => {
  const person = (claims) => newSession({ accessToken: jwt(claims) }).person;
  assert.notEqual(person({ iss: 'https://a', sub: 'u' }), person({ iss: 'https://b', sub: 'u' }));
  assert.equal(newSession({ accessToken: 'opaque' }).person, undefined);
});

test('a session ends with its token, or earlier by expires_in', () => {
  assert.equal(newSession({ accessToken: ALICE, expiresIn: 1200 }, 1000).expiresAt, 1_201_000);
  assert.equal(newSession({ accessToken: ALICE }, 1000).expiresAt, 2_000_000_000_000);
  assert.equal(newSession({ accessToken: 'opaque' }, 1000).expiresAt, undefined);
});

test('an opaque or malformed token has no claims, and causes no error', () => {
  for (const token of ['', 'opaque', 'a.b.c', 'a.bnVsbA.c']) assert.deepEqual(unverifiedClaims(token), {});
});

test('an expired session is not restored', () => {
  const storage = new MemoryStorage();
  new SessionStore(storage).keep({ accessToken: ALICE, subject: 'user_alice01', name: 'Alice', expiresAt: 5000 });
  assert.equal(new SessionStore(storage, () => 4000).restore().subject, 'user_alice01');
  assert.equal(new SessionStore(storage, () => 5000).restore(), undefined);
  assert.equal(storage.size, 0);
});

test('without storage the token stays in memory', () => {
  const sessions = new SessionStore(undefined);
  sessions.keep({ accessToken: ALICE, subject: 'user_alice01', name: 'Alice' });
  assert.equal(sessions.session.accessToken, ALICE);
  assert.equal(new SessionStore(undefined).restore(), undefined);
});

test('sign-out ends the session at IDaaS and returns to the page', () => {
  assert.equal(logoutUrl(IMPLICIT),
    'https://idaas.example.com/logout?client_id=app_client01&post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A9001%2F');
});
