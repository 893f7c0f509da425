/** Files of conversations: images that the user attaches, and what the agent keeps. */

import { AgentFailure } from './agent-failure.js';
import { send } from './agent-request.js';

/** The agent takes a request of 1 MiB: three images of this size, as base64. */
export const MOST_IMAGES = 3;
const MOST_BYTES = 230_000;
const EDGES = [1600, 1200, 900, 600, 400];

/**
 * @typedef {{id?: string, name: string, media_type: string, bytes: number, url?: string}} FilePart `url` is a `data:` URL, of an
 *   image that was just attached
 */
export class Files {
  /** Whether the agent's model takes images. */
  taken = false;

  /** @param {{agentUrl: string, accessToken: () => string, fetch?: typeof fetch}} agent */
  constructor({ agentUrl, accessToken, fetch = globalThis.fetch?.bind(globalThis) }) {
    Object.assign(this, { agentUrl, accessToken, fetch });
  }

  /** Learns from the agent's card whether its model takes images. */
  async learn() {
    try {
      const { defaultInputModes: modes } = await (await this.#get('/.well-known/agent-card.json')).json();
      this.taken = modes.includes('image/webp');
    } catch { /* without a card, none is attached */ }
  }

  /** The bytes of a file. Raises `AgentFailure`. @returns {Promise<Blob>} */
  async read(thread, id) {
    const response = await this.#get(`/threads/${thread}/files/${id}`, { Authorization: `Bearer ${this.accessToken()}` });
    if (!response.ok) throw new AgentFailure({ code: 'agent_failed', status: response.status });
    return response.blob();
  }

  #get(path, headers) {
    return send(this.fetch, this.agentUrl + path, { headers });
  }
}

/**
 * An image as it is sent: drawn anew, so that neither its place nor its camera is in it, and small enough.
 *
 * @param {File} file
 * @returns {Promise<FilePart | undefined>} `undefined` if the browser does not know it as an image
 */
export async function attached(file) {
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  if (!bitmap) return undefined;
  let blob;
  for (const edge of EDGES) {
    blob = await drawn(bitmap, edge);
    if (blob.size <= MOST_BYTES) break;
  }
  bitmap.close();
  return { name: file.name, media_type: blob.type, bytes: blob.size, url: await dataUrl(blob) };
}

async function drawn(bitmap, edge) {
  const scale = Math.min(1, edge / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, 'image/webp', 0.85); });
}

/** @param {Blob} blob @returns {Promise<string>} */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** The content of a question in AG-UI's form: a text, or parts. */
export function contentOf(question, files = []) {
  const images = files.filter(({ url }) => url !== undefined);
  if (images.length === 0) return question;
  return [{ type: 'text', text: question }, ...images.map(({ url, media_type: mimeType }) => (
    { type: 'image', source: { type: 'data', value: url.slice(url.indexOf(',') + 1), mimeType } }))];
}
