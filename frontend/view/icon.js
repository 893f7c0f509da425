/** The page's icons: one stroke weight, drawn on a grid of 20 by 20. They are decorative; each has a text beside it. */

const PATHS = {
  send: 'M10 16V4M5 9l5-5 5 5',
  stop: 'M6 6h8v8H6z',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  cross: 'M5.5 5.5l9 9m0-9l-9 9',
  question: 'M7.5 7.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8m0 3v.1',
  person: 'M10 10a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM3.8 16.6c.6-3 3-4.8 6.2-4.8s5.6 1.8 6.2 4.8',
  agent: 'M4 8.2A2.2 2.2 0 0 1 6.2 6h7.6A2.2 2.2 0 0 1 16 8.2v5.6a2.2 2.2 0 0 1-2.2 2.2H6.2A2.2 2.2 0 0 1 4 13.8zM10 6V3.4M7.6 10.4v1m4.8-1v1',
  service: 'M4 5.5h12v4H4zm0 5h12v4H4zM6.6 7.5h.1m-.1 5h.1',
  key: 'M7 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm3-3h7m-2.5 0v2.6',
  alert: 'M10 3.4 17.4 16H2.6zM10 8.2v3.6m0 2v.1',
  copy: 'M7.2 7.2h8.4v8.4H7.2zM4.4 12.6V4.4h8.2',
  again: 'M15.6 8.2A6 6 0 1 0 16 11m-.2-6.4v3.8H12',
  edit: 'M4 16l.8-3.4L13 4.4 15.6 7l-8.2 8.2zM11.4 6l2.6 2.6',
  plus: 'M10 4.5v11M4.5 10h11',
  leave: 'M8.4 4H4.6v12h3.8M8.6 10h7.4m-2.8-3 3 3-3 3',
  globe: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM3.2 10h13.6M10 3c2 2 2.8 4.4 2.8 7S12 15 10 17c-2-2-2.8-4.4-2.8-7S8 5 10 3z',
  list: 'M4 5.5h12M4 10h12M4 14.5h8',
  trash: 'M4.5 6h11M8 6V4.2h4V6m2.2 0-.6 10H6.4L5.8 6',
  clock: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4l2.6 1.8',
  down: 'M10 4v12m-5-5 5 5 5-5',
  up: 'M10 16V4M5 9l5-5 5 5',
  chevron: 'M7.5 5l5 5-5 5',
  back: 'M12.5 5l-5 5 5 5',
  play: 'M7 5l8 5-8 5z',
  more: 'M5 10h.1M10 10h.1M15 10h.1',
  bell: 'M5.5 13.5V9a4.5 4.5 0 0 1 9 0v4.5l1 1.5h-11zM8.6 17h2.8',
  image: 'M3.5 4.5h13v11h-13zM4 14l4-4 3 3 2-2 3.5 3.5M12.6 8.2v.1',
  save: 'M10 4v8m-4-4 4 4 4-4M4.5 16h11',
};
const SVG = 'http://www.w3.org/2000/svg';

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
