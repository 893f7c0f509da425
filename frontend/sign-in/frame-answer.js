/**
 * A response of the authorization endpoint without leaving the page: in a hidden frame (OpenID Connect Core, section
 * 3.1.2.1, `prompt=none`). IDaaS redirects the frame to this page, which in a frame only passes the response to its parent,
 * and to no other origin.
 */

const MESSAGE = 'idaas-agent.authorization-response';
const PATIENCE_MS = 10_000;

/** In a frame: passes the result of `takeAuthorizationResponse` to the parent, if it has the same origin. */
export function handToParent(response, { parent, location }) {
  const answer = response && { text: response.parameters.toString(), inFragment: response.inFragment };
  parent.postMessage({ type: MESSAGE, answer }, location.origin);
}

/**
 * The response to an authorization request, as from `takeAuthorizationResponse`; `undefined` after ten seconds without one.
 *
 * @param {string} url with `prompt=none`
 */
export function answerInFrame(url, { document, window }) {
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.title = '';
  frame.setAttribute('sandbox', 'allow-scripts allow-same-origin'); // the framed page cannot navigate this page
  frame.src = url;
  return new Promise((resolve) => {
    const finish = (answer) => {
      clearTimeout(late);
      window.removeEventListener('message', receive);
      frame.remove();
      resolve(answer && { parameters: new URLSearchParams(answer.text), inFragment: answer.inFragment });
    };
    const receive = ({ source, origin, data }) => {
      if (source === frame.contentWindow && origin === window.location.origin && data?.type === MESSAGE) finish(data.answer);
    };
    const late = setTimeout(finish, PATIENCE_MS);
    window.addEventListener('message', receive);
    document.body.append(frame);
  });
}
