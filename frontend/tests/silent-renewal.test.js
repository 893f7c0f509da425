import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newSession, SessionStore } from '../sign-in/session.js';
import { SilentRenewal } from '../sign-in/silent-renewal.js';
import { MemoryStorage } from './memory-storage.js';

const CONFIGURATION = {
  authorizeEndpoint: 'https://idaas.example.com/authorize', clientId: 'app_client01', redirectUri: 'http://localhost:9001/',
  scope: 'https://agent.example.com|agent.access', responseType: 'token', silentRenewal: true,
  tokenEndpoint: 'https://idaas.example.com/token', issuer: 'https://idaas.example.com/oauth2',
};
const jwt = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`;
const token = (claims = {}) => jwt({ iss: CONFIGURATION.issuer, sub: 'user_alice01', exp: 2_000_000_000, ...claims });
const session = (more = {}) => ({ ...newSession({ accessToken: token(), expiresIn: 1200, identity: { sub: 'user_alice01', iss: CONFIGURATION.issuer, name: 'Alice' } }), ...more });

/** A frame in which IDaaS responds with these members, and its recorded requests. */
function frame(members) {
  const urls = [];
  const answerInFrame = async (url) => {
    urls.push(new URL(url));
    if (!members) return undefined;
    const state = urls.at(-1).searchParams.get('state');
    return { parameters: new URLSearchParams({ state, ...members }), inFragment: true };
  };
  return { answerInFrame, urls };
}

/** A token endpoint that responds with this body, and its recorded forms. */
function tokenEndpoint(body, status = 200) {
  const forms = [];
  const fetch = async (_, init) => {
    forms.push(Object.fromEntries(new URLSearchParams(String(init.body))));
    return Response.json(body, { status });
  };
  return { fetch, forms };
}

test('renewal is due shortly before the expiry, once a minute, and one at a time', async () => {
  let now = 0;
  const renewal = new SilentRenewal(CONFIGURATION, { ...frame({ access_token: token({ jti: 2 }) }), now: () => now });
  assert.equal(renewal.due(session(), 181), false);
  assert.equal(renewal.due(session(), 180), true);
  const renewing = renewal.renew(session());
  assert.equal(renewal.due(session(), 100), false);
  await renewing;
  assert.equal(renewal.due(session(), 100), false);
  now = 60_000;
  assert.equal(renewal.due(session(), 100), true);
});

test('a hidden frame requests without a prompt, and its response keeps user and name', async () => {
  const { answerInFrame, urls } = frame({ access_token: token({ jti: 2 }), expires_in: '1200' });
  const renewed = await new SilentRenewal(CONFIGURATION, { answerInFrame }).renew(session());
  assert.equal(urls[0].searchParams.get('prompt'), 'none');
  assert.deepEqual([renewed.accessToken, renewed.name, renewed.person], [token({ jti: 2 }), 'Alice', session().person]);
});

for (const [name, members] of [
  ['that IDaaS refuses', { error: 'login_required' }],
  ['of another person', { access_token: token({ sub: 'user_bob01' }) }],
  ['with a forged state', { access_token: token(), state: 'forged' }],
  ['that does not come', undefined],
]) {
  test(`a response ${name} renews nothing, and is not requested again`, async () => {
    const { answerInFrame, urls } = frame(members);
    const renewal = new SilentRenewal(CONFIGURATION, { answerInFrame });
    assert.equal(renewal.expected(session()), true);
    assert.equal(await renewal.renew(session()), undefined);
    assert.equal(renewal.expected(session()), false);
    assert.equal(renewal.due(session(), 10), false);
    assert.equal(urls.length, 1);
  });
}

test('a refresh token is used if there is one, and replaced by the next', async () => {
  const { fetch, forms } = tokenEndpoint({ access_token: token({ jti: 2 }), token_type: 'Bearer', expires_in: 1200, refresh_token: 'r2' });
  const answerInFrame = () => assert.fail('a frame');
  const renewed = await new SilentRenewal(CONFIGURATION, { answerInFrame, fetch }).renew(session({ refreshToken: 'r1' }));
  assert.deepEqual(forms, [{ client_id: 'app_client01', grant_type: 'refresh_token', refresh_token: 'r1' }]);
  assert.deepEqual([renewed.accessToken, renewed.refreshToken, renewed.name], [token({ jti: 2 }), 'r2', 'Alice']);
});

test('a refresh token that IDaaS does not replace is kept', async () => {
  const { fetch } = tokenEndpoint({ access_token: token({ jti: 2 }), token_type: 'Bearer', expires_in: 1200 });
  const renewed = await new SilentRenewal(CONFIGURATION, { fetch }).renew(session({ refreshToken: 'r1' }));
  assert.equal(renewed.refreshToken, 'r1');
});

test('the frame is tried after a refresh token that is refused or of another user', async () => {
  for (const { fetch } of [
    tokenEndpoint({ error: 'invalid_grant' }, 400),
    tokenEndpoint({ access_token: token({ sub: 'user_bob01' }), token_type: 'Bearer', expires_in: 1200 }),
  ]) {
    const { answerInFrame, urls } = frame({ access_token: token({ jti: 3 }) });
    const renewed = await new SilentRenewal(CONFIGURATION, { answerInFrame, fetch }).renew(session({ refreshToken: 'r1' }));
    assert.deepEqual([renewed.accessToken, urls.length], [token({ jti: 3 }), 1]);
  }
});

test('no renewal is expected if it is disabled, or if neither method is available', () => {
  const { answerInFrame } = frame(undefined);
  assert.equal(new SilentRenewal({ ...CONFIGURATION, silentRenewal: false }, { answerInFrame }).expected(session()), false);
  assert.equal(new SilentRenewal(CONFIGURATION, {}).expected(session()), false);
  assert.equal(new SilentRenewal(CONFIGURATION, { answerInFrame }).expected(session({ person: undefined })), false);
  assert.equal(new SilentRenewal(CONFIGURATION, { answerInFrame }).expected(session({ expiresAt: undefined })), false);
});

test('a refresh token is never stored', () => {
  const storage = new MemoryStorage();
  new SessionStore(storage).keep(session({ refreshToken: 'a-refresh-token' }));
  assert.equal(storage.getItem('idaas-agent.session').includes('a-refresh-token'), false);
});
