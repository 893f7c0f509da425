/**
 * An answer of the authorization endpoint without leaving the page: in a hidden frame (OpenID Connect Core, section
 * 3.1.2.1, `prompt=none`). IDaaS sends the frame back to this page, which in a frame only hands the answer to the page
 * around it, and to no other site.
 */

const MESSAGE = 'idaas-agent.authorization-response';
const PATIENCE_MS = 10_000;

/** In a frame: gives what `takeAuthorizationResponse` found to the page around it, if that is of the same origin. */
export function handToParent(response, { parent, location }) {
  const answer = response && { text: response.parameters.toString(), inFragment: response.inFragment };
  parent.postMessage({ type: MESSAGE, answer }, location.origin);
}

/**
 * The answer to an authorization request, as `takeAuthorizationResponse` has it; `undefined` if none came in ten seconds.
 *
 * @param {string} url with `prompt=none`
 */
export function answerInFrame(url, { document, window }) {
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.title = '';
  frame.setAttribute('sandbox', 'allow-scripts allow-same-origin'); // what it shows cannot lead this page away
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
